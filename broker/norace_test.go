//go:build !race

package broker

// raceDetector tells whether the tests run under the race detector. It is of no use
// where one goroutine drives Redis, which takes several times as long with it, and
// it lets pools of the runtime lose what they hold, which changes counts of
// allocations.
const raceDetector = false
