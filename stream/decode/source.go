package decode

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/uni-aims/aimsd/stream/tiff"
)

// maxInMemory is the largest file that is read into memory as a whole. Larger ones are read where they lie,
// once for the pixels and once for the hash.
const maxInMemory = 256 << 20

// source is an opened image file.
type source struct {
	file *os.File
	data []byte // the whole file, nil above maxInMemory
	size int64
	head [16]byte
}

// open opens and reads path. The errors name what is wrong but not the path.
func open(path string) (*source, error) {
	info, err := os.Stat(path) // before opening: a FIFO would block
	if err != nil {
		return nil, plain(err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is a %s; name a file", ErrNotImage, kindOf(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, plain(err)
	}
	s := &source{file: f}
	if err := s.load(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *source) load() error {
	info, err := s.file.Stat()
	if err != nil {
		return plain(err)
	}
	if s.size = info.Size(); s.size == 0 {
		return fmt.Errorf("%w: the file is empty; acquire or copy it again", ErrTruncated)
	}
	if s.size <= maxInMemory {
		s.data = pool8.get(int(s.size))
		if _, err := io.ReadFull(s.file, s.data); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return fmt.Errorf("%w: the file shrank while it was read; wait until it is written", ErrTruncated)
			}
			return plain(err)
		}
	}
	_, err = s.readerAt().ReadAt(s.head[:min(s.size, int64(len(s.head)))], 0)
	return err
}

// plain takes the path out of a file error, because the caller names it, and says what to do.
func plain(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w; check the path", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; allow this user to read it", err)
	}
	return fmt.Errorf("%w; check the disk or copy the file to a local one", err)
}

func kindOf(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&os.ModeNamedPipe != 0:
		return "named pipe"
	case m&os.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// readerAt reads the file at any place; in memory it is a tiff.Bytes.
func (s *source) readerAt() io.ReaderAt {
	if s.data != nil {
		return tiff.Bytes(s.data)
	}
	return s.file
}

// reader reads the file from its beginning.
func (s *source) reader() io.Reader {
	if s.data != nil {
		return bytes.NewReader(s.data)
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

// hashing is a SHA-256 in the making.
type hashing struct {
	sum  string
	err  error
	done chan struct{}
}

// hash begins to hash the file beside the decoding; wait must be called before the source is closed.
func (s *source) hash() *hashing {
	h := &hashing{done: make(chan struct{})}
	go func() {
		defer close(h.done)
		if s.data != nil {
			sum := sha256.Sum256(s.data)
			h.sum = hex.EncodeToString(sum[:])
			return
		}
		d := sha256.New()
		_, h.err = io.Copy(d, s.reader())
		h.sum = hex.EncodeToString(d.Sum(nil))
	}()
	return h
}

// wait returns the hash in lower-case hex.
func (h *hashing) wait() (string, error) {
	<-h.done
	return h.sum, h.err
}

func (s *source) close() {
	s.file.Close()
	if s.data != nil {
		pool8.put(s.data)
		s.data = nil
	}
}
