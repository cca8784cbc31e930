package redistest

import "io"

// FrameReader lets the tests outside the package read replies one by one.
type FrameReader struct{ frameReader }

// NewFrameReader returns a FrameReader of r.
func NewFrameReader(r io.Reader) *FrameReader { return &FrameReader{*newFrameReader(r)} }

// Frame returns the next reply as it came.
func (f *FrameReader) Frame() ([]byte, error) {
	reply, err := f.reply()
	return reply.raw, err
}

// Read returns what has not been read as frames.
func (f *FrameReader) Read(p []byte) (int, error) { return f.r.Read(p) }

// ReadByte returns one byte of what has not been read as frames.
func (f *FrameReader) ReadByte() (byte, error) { return f.r.ReadByte() }
