package main

func Example() {
	main()
	// Output: Hello, world, from attempt 1!
}
