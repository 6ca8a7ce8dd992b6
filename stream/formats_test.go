package stream_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
)

func TestRealFormatsAreTakenWholeThroughTheDecoders(t *testing.T) {
	picture := image.NewGray(image.Rect(0, 0, 200, 150))
	copy(picture.Pix, noise(len(picture.Pix)))
	var asPNG, asJPEG bytes.Buffer
	require.NoError(t, png.Encode(&asPNG, picture))
	require.NoError(t, jpeg.Encode(&asJPEG, picture, nil))
	b := newBench(t)
	b.start(func(f *stream.Folder) {
		f.Decode, f.Complete, f.IsImage = new(decode.Decoder).Frame, decode.Complete, decode.IsImage
	})
	b.write("notes.txt", []byte("not an image"))
	var wg sync.WaitGroup
	for name, data := range map[string][]byte{"a.png": asPNG.Bytes(), "b.jpg": asJPEG.Bytes(), "c.tif": tinyTIFF(150, 3)} {
		wg.Go(func() { // reopened for every piece, with pauses longer than the settle time
			for part := range slices.Chunk(data, len(data)/3+1) {
				file, err := os.OpenFile(b.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = file.Write(part)
				_ = file.Close()
				time.Sleep(400 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	for _, a := range b.expect(3) {
		require.NoError(t, a.err)
	}
}
