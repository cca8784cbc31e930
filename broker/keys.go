package broker

import (
	"fmt"
	"strconv"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// prefix returns what all keys of partition p begin with. The hash tag is chosen
// so that the partitions lie evenly over the slots: partition p of n in the p-th
// of n equal ranges. Plain numbers would fall unevenly.
func prefix(namespace string, p, n int) string {
	lo, hi := p*slots/n, (p+1)*slots/n
	tag := namespace + ":" + strconv.Itoa(p)
	for i := 0; n > 1; i++ {
		t := tag + "." + strconv.Itoa(i)
		if s := slot(t); s >= lo && s < hi {
			tag = t
			break
		}
	}
	return "mlq:{" + tag + "}:"
}

// metaKey is where a namespace says what it is.
func metaKey(namespace string) string { return fmt.Sprintf("mlq:%s:meta", namespace) }

// slot returns the hash slot of a tag: CRC-16/XMODEM modulo the number of slots.
// See https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/.
func slot(tag string) int {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}
