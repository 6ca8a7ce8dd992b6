package stream_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream"
)

func TestNotANumberIsNoPixelSize(t *testing.T) {
	for _, nm := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -0.1} {
		h, _ := gray8("f", 64)
		h.NmPerPx = nm
		_, err := stream.CheckHeader(h)
		require.ErrorContains(t, err, "nm_per_px")
	}
}

func TestNamesAreMadeSafeForFolders(t *testing.T) {
	for in, want := range map[string]string{
		"a.tif": "a.tif", "../../x": "_.._x", "a:b\\c/d": "a_b_c_d", "...": "_", " a. ": "a", "é x": "é x", "": "",
	} {
		require.Equal(t, want, stream.SafeName(in), in)
	}
}

func FuzzHeader(f *testing.F) {
	for _, format := range []aimsv1.PixelFormat{0, 1, 2, 3, 9} {
		h, _ := gray8("uid", 64)
		h.Format, h.Stride, h.Metadata = format, 200, map[string]string{"k": "v"}
		seed, err := proto.Marshal(h)
		require.NoError(f, err)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var h aimsv1.FrameHeader
		if proto.Unmarshal(data, &h) != nil {
			return
		}
		wire, memory, err := stream.HeaderSizes(&h)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.LessOrEqual(t, wire, int64(16384)*(2*3*16384+4096))
		require.LessOrEqual(t, memory, int64(2*16384*16384+2*3*16384+4096))
		require.GreaterOrEqual(t, wire, int64(64*64))
		for _, name := range []string{h.GetRunId(), h.GetSource(), stream.SafeName(h.GetName())} {
			require.False(t, strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, "."), name)
		}
	})
}
