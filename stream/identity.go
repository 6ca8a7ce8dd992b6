package stream

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// stamp is what changes when a file is written to.
type stamp struct {
	size    int64
	mtimeNs int64
}

func stampOf(info fs.FileInfo) stamp { return stamp{info.Size(), info.ModTime().UnixNano()} }

func (s stamp) modTime() time.Time { return time.Unix(0, s.mtimeNs) }

var errNotRegular = errors.New("not a regular file")

// openRegular opens a file for reading. Pipes and devices are refused before they could block.
func openRegular(path string) (*os.File, stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, stamp{}, err
	}
	if !info.Mode().IsRegular() {
		return nil, stamp{}, errNotRegular
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, stamp{}, err
	}
	// Network shares may list a stale size; the open handle's is right.
	info, err = file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		_ = file.Close()
		return nil, stamp{}, err
	}
	return file, stampOf(info), nil
}

const (
	edgeBytes = 64 << 10 // of a file's head and tail
	headBytes = 16       // hold the magic number of every format
)

// zeros reports whether a file's first n bytes are all zero, or its last -n, as far as it has so many.
func zeros(path string, n int64) bool {
	file, s, err := openRegular(path)
	if err != nil || s.size == 0 {
		return false
	}
	defer func() { _ = file.Close() }()
	at := int64(0)
	if n < 0 {
		n = min(-n, s.size)
		at = s.size - n
	}
	part := make([]byte, min(n, s.size))
	if _, err := file.ReadAt(part, at); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return len(bytes.TrimLeft(part, "\x00")) == 0
}

// hashEdges returns a hash of the file's first and last 64 KiB, and its stamp after reading.
func hashEdges(file *os.File, size int64) (string, stamp, error) {
	const edge = edgeBytes
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(file, 0, min(size, edge))); err != nil {
		return "", stamp{}, err
	}
	if size > edge {
		if _, err := io.Copy(h, io.NewSectionReader(file, max(edge, size-edge), edge)); err != nil {
			return "", stamp{}, err
		}
	}
	info, err := file.Stat()
	if err != nil {
		return "", stamp{}, err
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16]), stampOf(info), nil
}

// keyPrefix is a file's identity but for its content: relative path (with slashes), size, mtime.
func keyPrefix(rel string, s stamp) string { return fmt.Sprintf("%s|%d|%d|", rel, s.size, s.mtimeNs) }

// pageKey is the key of one page of a file of several: that of the file, with the page in the path. The last
// page has the file's own key, so that a file whose key is known to be final is done with all its pages: they
// are admitted and end in order.
func pageKey(key, rel string, page, pages int) string {
	if page >= pages {
		return key
	}
	return PageID(rel, page) + strings.TrimPrefix(key, rel)
}

// SameFile reports whether a file as it now is can still be the one that a Receipt of a folder source had
// the Key of: it has the same size and modification time. Its content is not read.
func SameFile(key string, info fs.FileInfo) bool {
	head, _ := cutLast(key) // the hash
	head, mtimeNs := cutLast(head)
	_, size := cutLast(head) // what is left is the relative path, which may hold the separator itself
	s := stampOf(info)
	return info.Mode().IsRegular() && size == strconv.FormatInt(s.size, 10) && mtimeNs == strconv.FormatInt(s.mtimeNs, 10)
}

// sumOf is the hash of head and tail in a key.
func sumOf(key string) string {
	_, sum := cutLast(key)
	return sum
}

// cutLast splits a key at its last separator.
func cutLast(key string) (head, last string) {
	i := strings.LastIndexByte(key, '|')
	return key[:max(i, 0)], key[i+1:]
}

// identify reads a file's stamp and key.
func identify(path, rel string) (stamp, string, error) {
	file, before, err := openRegular(path)
	if err != nil {
		return stamp{}, "", err
	}
	defer func() { _ = file.Close() }()
	sum, after, err := hashEdges(file, before.size)
	if err != nil {
		return before, "", err
	}
	if after != before {
		return after, "", errChanged
	}
	return before, keyPrefix(rel, before) + sum, nil
}

var errChanged = errors.New("the file changed while it was being read")
