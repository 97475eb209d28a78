"""Real servers for tests: started on free loopback ports, in temporary directories, gone when the test run is."""
