package tiff

import (
	"io"
)

// peek returns the next n bits, zeros after the end.
func (f *faxReader) peek(n int) uint64 {
	for f.have < n {
		if len(f.unread) == 0 && f.srcErr == nil {
			var k int
			k, f.srcErr = f.src.Read(f.in[:])
			f.unread = f.in[:k]
			continue
		}
		f.acc <<= 8
		if len(f.unread) > 0 {
			f.acc |= uint64(f.unread[0])
			f.unread = f.unread[1:]
		}
		f.started++
		f.have += 8
	}
	return f.acc >> (f.have - n) & (1<<n - 1)
}

// skip takes n bits that were looked at; bits behind the end are an error.
func (f *faxReader) skip(n int) error {
	f.have -= n
	if f.srcErr != nil && len(f.unread) == 0 && f.have < 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// exhausted reports whether nothing but padding is left.
func (f *faxReader) exhausted() bool {
	return f.srcErr != nil && len(f.unread) == 0 && (f.have <= 0 || f.acc&(1<<f.have-1) == 0)
}
