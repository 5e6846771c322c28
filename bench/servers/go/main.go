// The flow on Go's standard library: a goroutine for each connection, bufio, net/http.
//
// No AGI library: what a Go developer writes in an afternoon. Like the other libraries under
// measurement it keeps no consent, checks no number, parses no XML and writes no log line.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

var hook string
var client *http.Client

// session is one call: commands out, replies in.
type session struct {
	connection net.Conn
	reader     *bufio.Reader
}

// ask writes a command and returns its result, without what stands in parentheses behind it.
func (s session) ask(format string, arguments ...any) (string, error) {
	if _, err := fmt.Fprintf(s.connection, format+"\n", arguments...); err != nil {
		return "", err
	}
	line, err := s.reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	_, rest, found := strings.Cut(strings.TrimRight(line, "\n"), "result=")
	if !found || !strings.HasPrefix(line, "200 ") {
		return "", fmt.Errorf("unexpected reply")
	}
	result, _, _ := strings.Cut(rest, " ")
	return result, nil
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func (s session) environment() (map[string]string, error) {
	values := map[string]string{}
	for {
		line, err := s.reader.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line = strings.TrimRight(line, "\n")
		if line == "" {
			return values, nil
		}
		if name, value, found := strings.Cut(line, ": "); found {
			values[name] = value
		}
	}
}

// submit asks the hook for the number to dial.
func submit(digits string) (string, error) {
	if hook == "" {
		return "+14155550199", nil
	}
	body, err := json.Marshal(map[string]string{
		"key": "bench", "from": "+1" + digits, "to": "+14155550111",
	})
	if err != nil {
		return "", err
	}
	response, err := client.Post(hook, "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 65536))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(answer), "<Dial>")
	number, _, _ := strings.Cut(rest, "</Dial>")
	return number, nil
}

func serve(connection net.Conn) {
	defer connection.Close()
	s := session{connection, bufio.NewReader(connection)}
	if _, err := s.environment(); err != nil {
		return
	}
	if err := s.play(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (s session) play() error {
	if _, err := s.ask("ANSWER"); err != nil {
		return err
	}
	if _, err := s.ask("STREAM FILE %s %s", quoted("disclosure"), quoted("*")); err != nil {
		return err
	}
	digits, err := s.ask("GET DATA %s %d %d", quoted("enter-number"), 10000, 10)
	if err != nil {
		return err
	}
	if _, err := s.ask("SAY DIGITS %s %s", quoted(digits), quoted("")); err != nil {
		return err
	}
	if _, err := s.ask("GET DATA %s %d %d", quoted("confirm-number"), 8000, 1); err != nil {
		return err
	}
	if _, err := s.ask("SET VARIABLE %s %s", quoted("CONSENT_NUMBER"), quoted(digits)); err != nil {
		return err
	}
	if _, err := s.ask("SET VARIABLE %s %s", quoted("CONSENT_RESULT"), quoted("confirmed")); err != nil {
		return err
	}
	number, err := submit(digits)
	if err != nil {
		return err
	}
	if _, err := s.ask("EXEC Dial %s", quoted("PJSIP/"+number+"@trunk,30,gS(7200)")); err != nil {
		return err
	}
	_, err = s.ask("GET VARIABLE DIALSTATUS")
	return err
}

func main() {
	flag.StringVar(&hook, "hook", "", "the hook's address; none: AGI only")
	flag.String("state", "", "not used: nothing is kept")
	keepalive := flag.Bool("keepalive", false, "reuse connections to the hook")
	flag.Parse()
	client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives:   !*keepalive,
		MaxIdleConnsPerHost: 1000,
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("READY %d\n", listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		go serve(connection)
	}
}
