"""The names of Asterisk's applications: one that the simulated PBX lacks is not taken for none."""

from typing import Final

OF_ASTERISK: Final = frozenset(
    """
    AddQueueMember ADSIProg AELSub AgentLogin AgentRequest AGI AlarmReceiver AMD Answer
    AttendedTransfer AudioSocket Authenticate BackGround BackgroundDetect BlindTransfer Bridge
    BridgeAdd BridgeWait Broadcast Busy CallCompletionCancel CallCompletionRequest
    CELGenUserEvent ChanIsAvail ChannelRedirect ChanSpy ClearHash ConfBridge ConfKick Congestion
    ContinueWhile ControlPlayback DAHDIAcceptR2Call DAHDIScan DAHDISendCallreroutingFacility
    DAHDISendKeypadFacility DateTime DBdeltree DeadAGI Dial Dictate Directory DISA DumpChan EAGI
    Echo Else ElseIf EndIf EndWhile Exec ExecIf ExecIfTime ExitIf ExitWhile ExtenSpy ExternalIVR
    Festival Flash FollowMe ForkCDR GetCPEID Gosub GosubIf Goto GotoIf GotoIfTime Hangup
    HangupCauseClear IAX2Provision If Incomplete IVRDemo JabberJoin JabberLeave JabberSend
    JabberSendGroup JACK Log MeetMe MeetMeAdmin MeetMeChannelAdmin MeetMeCount MessageSend
    Milliwatt MinivmAccMess MinivmDelete MinivmGreet MinivmMWI MinivmNotify MinivmRecord
    MixMonitor Morsecode MP3Player MSet MusicOnHold NoOp ODBC_Commit ODBC_Rollback ODBCFinish
    Originate Page Park ParkAndAnnounce ParkedCall PauseQueueMember Pickup PickupChan
    PJSIPHangup PJSIPNotify Playback PlayTones PrivacyManager Proceeding Progress Queue QueueLog
    QueueUpdate RaiseException Read ReadExten ReceiveFAX ReceiveMF ReceiveSF ReceiveText Record
    Reload RemoveQueueMember ResetCDR RetryDial Return Ringing SayAlpha SayAlphaCase
    SayCountedAdj SayCountedNoun SayDigits SayMoney SayNumber SayOrdinal SayPhonetic SayUnixTime
    SendDTMF SendFAX SendMF SendSF SendText Set Signal SkelGuessNumber SLAStation SLATrunk SMS
    SoftHangup SpeechActivateGrammar SpeechBackground SpeechCreate SpeechDeactivateGrammar
    SpeechDestroy SpeechLoadGrammar SpeechProcessingSound SpeechStart SpeechUnloadGrammar
    StackPop StartMusicOnHold Stasis StasisBroadcast StatsD StopMixMonitor StopMusicOnHold
    StopPlayTones StoreDTMF StreamEcho System TestClient TestServer ToneScan Transfer TryExec
    TrySystem UnpauseQueueMember UserEvent Verbose VMAuthenticate VMSayName VoiceMail
    VoiceMailMain VoiceMailPlayMsg Wait WaitDigit WaitExten WaitForCondition WaitForNoise
    WaitForRing WaitForSignal WaitForSilence WaitForTone WaitUntil While Zapateller
    """.lower().split()
)
"""The applications in Asterisk 22's documentation (``core-en_US.xml``), in lower case as EXEC finds
them. Which of them a PBX has depends on its modules."""
