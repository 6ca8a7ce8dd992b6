package reporting

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// timeValue reads Unix nanoseconds, 0 for the zero time, as UTC.
type timeValue time.Time

// Scan implements sql.Scanner.
func (t *timeValue) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("time is a %T, not an integer", v)
	}
	*t = timeValue{}
	if n != 0 {
		*t = timeValue(time.Unix(0, n).UTC())
	}
	return nil
}

// unixNano is timeValue's inverse.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// seqValue keeps all 64 bits of a sequence number in SQLite's signed integer.
type seqValue uint64

// Scan implements sql.Scanner.
func (s *seqValue) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("number is a %T, not an integer", v)
	}
	*s = seqValue(n)
	return nil
}

// sizesVersion begins an encoded Sizes: version byte, count as uint32, then ECDPx and WeightML as float32,
// all little-endian.
const (
	sizesVersion = 1
	sizesHeader  = 5
)

func (s Sizes) encode() ([]byte, error) {
	n := len(s.ECDPx)
	if len(s.WeightML) != n {
		return nil, fmt.Errorf("sizes: %d diameters but %d weights", n, len(s.WeightML))
	}
	b := make([]byte, 0, sizesHeader+8*n)
	b = append(b, sizesVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	for _, values := range [][]float32{s.ECDPx, s.WeightML} {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b, nil
}

var errSizes = errors.New("stored sizes are malformed")

func decodeSizes(b []byte) (Sizes, error) {
	if len(b) < sizesHeader || b[0] != sizesVersion {
		return Sizes{}, errSizes
	}
	n := int(binary.LittleEndian.Uint32(b[1:]))
	if b = b[sizesHeader:]; len(b) != 8*n {
		return Sizes{}, errSizes
	}
	values := make([]float32, 2*n)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return Sizes{ECDPx: values[:n:n], WeightML: values[n:]}, nil
}
