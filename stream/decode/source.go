package decode

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// maxInMemory is the largest file that is read into memory as a whole. Larger ones are read where they lie,
// once for the pixels and once for the hash.
const maxInMemory = 256 << 20

// loadBytes are read at a time; the hash follows behind.
const loadBytes = 4 << 20

// source is an opened image file.
type source struct {
	path    string
	file    *os.File
	data    []byte   // the whole file, nil above maxInMemory and until it is loaded
	loaded  chan int // bytes of data that are read, nil when nobody follows
	size    int64
	modTime time.Time
	head    []byte
	tiff    *tiff.File // parsed before, or nil
}

// open opens path. The errors name what is wrong but not the path.
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
	s := &source{path: path, file: f}
	if err := s.begin(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// begin reads the file's head.
func (s *source) begin() error {
	info, err := s.file.Stat()
	if err != nil {
		return plain(err)
	}
	s.size, s.modTime = info.Size(), info.ModTime()
	if s.size == 0 {
		return fmt.Errorf("%w: the file is empty; acquire or copy it again", ErrTruncated)
	}
	s.head = make([]byte, min(s.size, headBytes))
	if _, err := s.file.ReadAt(s.head, 0); endOK(err) != nil {
		return plain(err)
	}
	return nil
}

func (s *source) format() format { return sniff(s.head, s.size) }

// reserve makes room for the file when it is to be read into memory as a whole, and reports whether it is.
func (s *source) reserve() bool {
	if s.size > maxInMemory {
		return false
	}
	s.data = pool8.get(int(s.size))
	return true
}

// load fills data.
func (s *source) load() error {
	if s.loaded != nil {
		defer close(s.loaded)
	}
	for done := 0; done < len(s.data); {
		n, err := io.ReadFull(s.file, s.data[done:min(len(s.data), done+loadBytes)])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: the file shrank while it was read; wait until it is written", ErrTruncated)
		}
		if err != nil {
			return plain(err)
		}
		done += n
		if s.loaded != nil {
			s.loaded <- done
		}
	}
	return nil
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

// hash begins to hash the file beside the loading and decoding; wait must be called before the source is
// closed. A file in memory is hashed as load reads it.
func (s *source) hash() *hashing {
	h := &hashing{done: make(chan struct{})}
	data := s.data // which may become a frame's meanwhile
	if data != nil {
		s.loaded = make(chan int, len(data)/loadBytes+2) // load never waits
	}
	go func() {
		defer close(h.done)
		d := sha256.New()
		if data == nil {
			_, h.err = io.Copy(d, io.NewSectionReader(s.file, 0, s.size))
		} else {
			done := 0
			for n := range s.loaded {
				d.Write(data[done:n])
				done = n
			}
		}
		h.sum = hex.EncodeToString(d.Sum(nil))
	}()
	return h
}

// wait returns the hash in lower-case hex.
func (h *hashing) wait() (string, error) {
	<-h.done
	return h.sum, h.err
}

// lend makes length bytes of the file in memory the pixels of a frame, which keeps the memory until it is
// released: uncompressed pixels are not copied. False when they have to be.
func (s *source) lend(f *stream.Frame, width, height, bits int, offset, length int64) bool {
	if s.data == nil {
		return false
	}
	part := s.data[offset : offset+length]
	if bits == 16 {
		if f.Gray16 = asUint16(part); f.Gray16 == nil {
			return false
		}
	} else {
		f.Gray8 = part
	}
	f.Width, f.Height = width, height
	whole := s.data
	s.data = nil
	f.OnRelease(func() { pool8.put(whole) })
	return true
}

func (s *source) close() {
	s.file.Close()
	if s.data != nil {
		pool8.put(s.data)
		s.data = nil
	}
}
