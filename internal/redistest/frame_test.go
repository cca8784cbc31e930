package redistest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFrameReaderCutsRepliesExactly(t *testing.T) {
	t.Parallel()
	replies := []string{
		"+OK\r\n", "-ERR no\r\n", ":-12\r\n", "$-1\r\n", "$0\r\n\r\n", "$5\r\na\r\nb\n\r\n", "*-1\r\n", "*0\r\n",
		"*3\r\n:1\r\n*1\r\n$1\r\nx\r\n+y\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "(123456789\r\n", "=7\r\ntxt:abc\r\n",
		"!3\r\nERR\r\n", "~2\r\n:1\r\n:2\r\n", "%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n+c\r\n_\r\n",
		"|1\r\n+ttl\r\n:9\r\n*1\r\n:1\r\n", ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
	}
	r := newFrameReader(iotest.OneByteReader(strings.NewReader(strings.Join(replies, ""))))
	for _, want := range replies {
		got, err := r.reply()
		if err != nil || string(got.raw) != want || got.push != (want[0] == '>') {
			t.Errorf("reply = %q (push %v), %v, want %q", got.raw, got.push, err, want)
		}
	}
	if _, err := r.reply(); !errors.Is(err, io.EOF) {
		t.Errorf("reply at the end: %v, want EOF", err)
	}
}

func TestFrameReaderCutsCommandsExactly(t *testing.T) {
	t.Parallel()
	const stream = "*3\r\n$3\r\nset\r\n$0\r\n\r\n$4\r\n\r\n\x00*\r\n" + "*0\r\n" + "\r\n" + "ping  a b\r\n" + "*1\r\n$4\r\nPING\r\n"
	r := newFrameReader(iotest.OneByteReader(strings.NewReader(stream)))
	for _, want := range []Command{
		{"SET", [][]byte{{}, []byte("\r\n\x00*")}, []byte("*3\r\n$3\r\nset\r\n$0\r\n\r\n$4\r\n\r\n\x00*\r\n")},
		{"PING", [][]byte{[]byte("a"), []byte("b")}, []byte("ping  a b\r\n")},
		{"PING", nil, []byte("*1\r\n$4\r\nPING\r\n")},
	} {
		got, err := r.command()
		if err != nil || got.String() != want.String() || !bytes.Equal(got.raw, want.raw) {
			t.Errorf("command = %v (%q), %v, want %v (%q)", got, got.raw, err, want, want.raw)
		}
	}
	if _, err := r.command(); !errors.Is(err, io.EOF) {
		t.Errorf("command at the end: %v, want EOF", err)
	}
}

func TestFrameReaderRefusesWhatIsNotRESP(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"\r\n", "?\r\n", "$x\r\n", "$-2\r\n", "$99999999999\r\n", "$1\r\nabc", "*1\r\n"} {
		if f, err := newFrameReader(strings.NewReader(in)).reply(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("reply of %q = %q, %v, want an error", in, f.raw, err)
		}
	}
	for _, in := range []string{"*1\r\n:1\r\n", "*x\r\n", "*1\r\n$2\r\nabcd", "*2\r\n$1\r\na\r\n"} {
		if cmd, err := newFrameReader(strings.NewReader(in)).command(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("command of %q = %v, %v, want an error", in, cmd, err)
		}
	}
	_, err := newFrameReader(strings.NewReader("*2\r\n:1\r\n")).reply()
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reply that breaks off: %v, want an unexpected EOF", err)
	}
}
