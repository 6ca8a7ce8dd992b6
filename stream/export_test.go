package stream

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// What tests outside the package may set.

type Events = events

func (f *Folder) SetEvents(fn func() (Events, error)) { f.newEvents = fn }
func (f *Folder) SetNetwork(fn func(string) bool)     { f.isNetwork = fn }
func (f *Folder) SetLeaseUnknown()                    { f.lease = func(string) writer { return writerUnknown } }

func (f *Folder) SetListed(fn func(os.FileInfo) int64) { f.listed = fn }
func (f *Folder) SetTailWait(d time.Duration)          { f.tailWait = d }

// AdmitAhead is how many files a source admits before there is room for them.
const AdmitAhead = admitAhead

// SetLeaseUnknownFor names the files whose writer is unknown; those of all others are known to be gone.
func (f *Folder) SetLeaseUnknownFor(names ...string) {
	f.lease = func(path string) writer {
		if slices.Contains(names, filepath.Base(path)) {
			return writerUnknown
		}
		return writerNone
	}
}

func IgnoredName(name string) bool   { return ignoredName(name) }
func CompareNatural(a, b string) int { return compareNatural(a, b) }
func SafeName(s string) string       { return safeName(s) }

var CheckHeader = checkHeader

var _ grpc.StreamServerInterceptor = guard{}.stream

// HeaderSizes returns the bytes a valid header announces and those it makes us hold.
func HeaderSizes(h *aimsv1.FrameHeader) (wire, memory int64, err error) {
	l, err := checkHeader(h)
	if err != nil {
		return 0, 0, err
	}
	return l.wireBytes(), l.memoryBytes(), nil
}

// ParsePush reads a message as the server's codec does from pieces of a connection. The chunk is nil when the
// message is none.
func ParsePush(pieces ...[]byte) (request *aimsv1.PushRequest, chunk []byte, err error) {
	var data mem.BufferSlice
	for _, p := range pieces {
		data = append(data, mem.SliceBuffer(p))
	}
	var m pushMessage
	if err := m.parse(data); err != nil {
		return nil, nil, err
	}
	defer m.free()
	request = m.request
	if n, ok := m.chunkBytes(); ok {
		chunk = make([]byte, 0, n)
		err = m.pixels(func(part []byte) error { chunk = append(chunk, part...); return nil })
	}
	return request, chunk, err
}
