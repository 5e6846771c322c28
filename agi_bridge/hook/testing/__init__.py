"""`FakeHook`: the hook's side, for tests, demonstrations and trials; texts nobody."""
