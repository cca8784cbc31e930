package data

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"
)

func TestLoadReturnsEveryImageInItsShape(t *testing.T) {
	t.Parallel()
	images, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != Images {
		t.Fatalf("got %d images, want %d", len(images), Images)
	}
	var each [10]int
	for _, m := range images {
		each[m.Digit]++
	}
	if want := [10]int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}; each != want {
		t.Errorf("images of each digit: got %v, want %v, as UCI counts its test set", each, want)
	}
	if got, want := images[0].Pixels[:8], []byte{0, 0, 5, 13, 9, 1, 0, 0}; !bytes.Equal(got, want) {
		t.Errorf("first row of the first image: got %v, want %v", got, want)
	}
}

func TestTheFileIsTheOneTheREADMENames(t *testing.T) {
	t.Parallel()
	const want = "46abec6b12486ad9e51943373abcf22bbea1b5a51a1619b361570d8893f1464a"
	sum := sha256.Sum256(compressed)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("sha256 of digits.csv.gz: got %s, want %s", got, want)
	}
}

func TestLoadRefusesDamagedData(t *testing.T) {
	t.Parallel()
	plain := unpack(t, compressed)
	first, rest, _ := strings.Cut(plain, "\n")
	tests := map[string]struct {
		file []byte
		want string
	}{
		"not gzip":        {[]byte("0,0,5"), "EOF"},
		"cut short":       {compressed[:len(compressed)/2], "unexpected EOF"},
		"a row too few":   {pack(t, rest), "1796 images, want 1797"},
		"a field too few": {pack(t, "0,"+rest), "wrong number of fields"},
		"no number":       {pack(t, "x"+first[1:]+"\n"+rest), "line 1: pixel 0"},
		"a pixel of 17":   {pack(t, "17"+first[1:]+"\n"+rest), "17 is out of range"},
		"a digit of 10":   {pack(t, first[:len(first)-1]+"10\n"+rest), "10 is out of range"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			images, err := load(test.file)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %d images and error %v, want an error about %q", len(images), err, test.want)
			}
		})
	}
}

func unpack(t *testing.T, file []byte) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func pack(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
