package benchmarks

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// usage is what the server and this process have spent.
type usage struct {
	redis  time.Duration // processor time of the server's main thread
	client time.Duration // processor time of this process
	memory float64       // bytes in use by the server
	calls  float64       // scripts called
	sent   float64       // commands of clients, none of those that scripts call

	busy, idle time.Duration // of all processors, whoever used them
	ours       time.Duration // this process and the server, all threads
}

// since returns what was spent after old was read.
func (u usage) since(old usage) usage {
	return usage{
		redis: u.redis - old.redis, client: u.client - old.client, memory: u.memory - old.memory,
		calls: u.calls - old.calls, sent: u.sent - old.sent,
		busy: u.busy - old.busy, idle: u.idle - old.idle, ours: u.ours - old.ours,
	}
}

// others returns the share of the processors, 0 to 1, that others have used.
func (u usage) others() float64 {
	if u.busy+u.idle <= 0 {
		return 0
	}
	return max(0, float64(u.busy-u.ours)/float64(u.busy+u.idle))
}

// gauge reads what has been spent so far.
func (h *bench) gauge() usage {
	h.Helper()
	cpu, memory, stats := h.info("cpu"), h.info("memory"), h.info("commandstats")
	u := usage{client: processTime(), memory: number(memory["used_memory"])}
	u.redis = seconds(cpu["used_cpu_user_main_thread"]) + seconds(cpu["used_cpu_sys_main_thread"])
	all := seconds(cpu["used_cpu_user"]) + seconds(cpu["used_cpu_sys"])
	if u.redis == 0 { // older than Redis 7
		u.redis = all
	}
	u.ours = u.client + all
	u.busy, u.idle = machineTime()
	u.calls = callsOf(stats, "eval") + callsOf(stats, "evalsha")
	u.sent = u.calls
	for _, name := range []string{"ping", "hello", "client|setinfo", "select", "subscribe", "unsubscribe", "script|load"} {
		u.sent += callsOf(stats, name)
	}
	return u
}

// info returns a section of INFO.
func (h *bench) info(section string) map[string]string {
	h.Helper()
	text, err := h.rdb.Info(context.Background(), section).Result()
	if err != nil {
		h.Fatal(err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[k] = v
		}
	}
	return fields
}

// callsOf returns how often a command was called: "calls=12,usec=34,…".
func callsOf(stats map[string]string, command string) float64 {
	rest, _ := strings.CutPrefix(stats["cmdstat_"+command], "calls=")
	n, _, _ := strings.Cut(rest, ",")
	return number(n)
}

// number returns the number in s, 0 if there is none: fields come and go with
// versions.
func number(s string) float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return n
}

func seconds(s string) time.Duration { return time.Duration(number(s) * float64(time.Second)) }
