package redistest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// frame is one whole reply as it came over the wire.
type frame struct {
	raw  []byte
	push bool // RESP3 sent it out of turn, it answers no command
}

// frameReader cuts a stream into commands or into replies, RESP2 and RESP3
// (https://redis.io/docs/latest/develop/reference/protocol-spec/). It does not
// read ahead of what a frame needs before it returns that frame.
type frameReader struct {
	r *bufio.Reader
}

func newFrameReader(r io.Reader) *frameReader { return &frameReader{r: bufio.NewReader(r)} }

// reply reads one reply. Attributes, which precede a reply, belong to it.
func (f *frameReader) reply() (frame, error) {
	var b bytes.Buffer
	kind, err := f.value(&b)
	return frame{raw: b.Bytes(), push: kind == '>'}, err
}

// value appends one value to b, with all that it contains, and returns its type.
func (f *frameReader) value(b *bytes.Buffer) (kind byte, err error) {
	head, err := f.line(b)
	if err != nil {
		return 0, err
	}
	if head == "" {
		return 0, fmt.Errorf("redistest: reply with an empty line")
	}
	kind = head[0]
	switch kind {
	case '+', '-', ':', '_', '#', ',', '(':
		return kind, nil
	case '$', '=', '!':
		return kind, f.bulk(b, head)
	case '*', '~', '>':
		return kind, f.values(b, head, 1)
	case '%':
		return kind, f.values(b, head, 2)
	case '|':
		if err := f.values(b, head, 2); err != nil {
			return 0, err
		}
		return f.value(b)
	default:
		return 0, fmt.Errorf("redistest: reply of unknown type %q", head)
	}
}

// values appends what an aggregate with the given head contains: per values for
// each that it counts.
func (f *frameReader) values(b *bytes.Buffer, head string, per int) error {
	n, err := length(head)
	for i := 0; err == nil && i < n*per; i++ {
		_, err = f.value(b)
	}
	return err
}

// bulk appends the bytes that head announces and the line end after them.
func (f *frameReader) bulk(b *bytes.Buffer, head string) error {
	n, err := length(head)
	if err != nil || n < 0 {
		return err // a null has no bytes
	}
	if _, err := io.CopyN(b, f.r, int64(n)+2); err != nil {
		return unexpected(err)
	}
	if !bytes.HasSuffix(b.Bytes(), []byte("\r\n")) {
		return fmt.Errorf("redistest: %q is not followed by as many bytes", head)
	}
	return nil
}

// command reads one command: an array of bulk strings, or the words of a line.
// It passes over empty ones, which Redis does not answer.
func (f *frameReader) command() (Command, error) {
	for {
		var b bytes.Buffer
		head, err := f.line(&b)
		if err != nil {
			return Command{}, err
		}
		var words [][]byte
		if strings.HasPrefix(head, "*") {
			words, err = f.bulks(&b, head)
		} else {
			words = bytes.Fields([]byte(head))
		}
		if err != nil {
			return Command{}, err
		}
		if len(words) > 0 {
			name := strings.ToUpper(string(words[0]))
			return Command{Name: name, Args: words[1:], raw: b.Bytes()}, nil
		}
	}
}

// bulks appends the bulk strings that head announces and returns their contents.
func (f *frameReader) bulks(b *bytes.Buffer, head string) ([][]byte, error) {
	n, err := length(head)
	if err != nil {
		return nil, err
	}
	var spans [][2]int // not slices yet: b may still move
	for range n {
		line, err := f.line(b)
		if err != nil {
			return nil, unexpected(err)
		}
		if !strings.HasPrefix(line, "$") {
			return nil, fmt.Errorf("redistest: command with %q for a bulk string", line)
		}
		start := b.Len()
		if err := f.bulk(b, line); err != nil {
			return nil, err
		}
		spans = append(spans, [2]int{start, max(start, b.Len()-2)})
	}
	words := make([][]byte, len(spans))
	for i, s := range spans {
		words[i] = b.Bytes()[s[0]:s[1]:s[1]]
	}
	return words, nil
}

// line appends one line to b and returns it without its end.
func (f *frameReader) line(b *bytes.Buffer) (string, error) {
	line, err := f.r.ReadBytes('\n')
	if err != nil {
		if len(line) > 0 || b.Len() > 0 {
			err = unexpected(err)
		}
		return "", err
	}
	b.Write(line)
	return strings.TrimRight(string(line), "\r\n"), nil
}

// length returns the number after the type of head, -1 for a null.
func length(head string) (int, error) {
	const longest = 512 << 20 // Redis's own limit for a bulk string
	n, err := strconv.Atoi(head[1:])
	if err != nil || n < -1 || n > longest {
		return 0, fmt.Errorf("redistest: %q has no length between -1 and %d", head, longest)
	}
	return n, nil
}

// unexpected says that err, if it is the end of the stream, came within a frame.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// encode returns a command as it goes over the wire.
func encode(words ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}
