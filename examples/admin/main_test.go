package main

func Example() {
	main()
	// Output:
	// it has failed: true
	// shout: nothing to shout
	// default: paused true, 1 succeeded, 0 failed
}
