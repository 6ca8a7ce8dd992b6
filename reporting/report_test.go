package reporting

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

func readReport(t *testing.T, dir string) (page string, root *html.Node) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, ReportFile))
	require.NoError(t, err)
	root, err = html.Parse(bytes.NewReader(text))
	require.NoError(t, err)
	return string(text), root
}

// elements returns every element of the page by name.
func elements(root *html.Node) map[string][]*html.Node {
	found := map[string][]*html.Node{}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			found[n.Data] = append(found[n.Data], n)
		}
	}
	return found
}

func textOf(root *html.Node) string {
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return b.String()
}

func TestTheReportShowsEveryInputAndLoadsNothing(t *testing.T) {
	dir := t.TempDir()
	b := testBatch(t, dir, 0.5, 2, 0)
	require.NoError(t, WriteBatch(dir, b))
	page, root := readReport(t, dir)
	found, text := elements(root), textOf(root)
	for _, in := range b.Inputs {
		require.Contains(t, text, in.Path)
	}
	require.Contains(t, text, "the file is cut off at 12 bytes; copy it again")
	require.Contains(t, text, "1 of 5 inputs failed and is not part of the numbers")
	require.Contains(t, text, "Sizes cover the objects of 2 inputs with a scale; 1 without one is listed in pixels")
	require.Contains(t, text, "Blank frame: blank.tif")
	n := readSummary(t, dir).Statistics["ecd_nm"].N
	require.Less(t, n, fewObjects)
	require.Contains(t, text, fmt.Sprintf("The distribution rests on only %d objects", n), "those without a scale are not in it")

	require.Empty(t, found["script"])
	require.Empty(t, found["link"])
	require.Empty(t, found["iframe"])
	require.Contains(t, page, "&lt;script&gt;alert(1)&lt;/script&gt;")
	require.NotContains(t, page, "ZgotmplZ", "the template filtered something out")
	require.NotContains(t, page, "http://")
	require.NotContains(t, page, "https://")
	require.NotContains(t, page, "NaN")
	require.Len(t, found["img"], 4)
	for _, img := range found["img"] {
		require.True(t, slices.ContainsFunc(img.Attr, func(a html.Attribute) bool {
			return a.Key == "src" && strings.HasPrefix(a.Val, "data:image/jpeg;base64,")
		}))
	}
	for _, a := range found["a"] {
		for _, attr := range a.Attr {
			if attr.Key == "href" {
				require.True(t, strings.HasPrefix(attr.Val, "./"), attr.Val)
			}
		}
	}
	require.Len(t, found["svg"], 2)
}

func TestChartsAreWellFormed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteBatch(dir, testBatch(t, dir, 0.5, 2)))
	page, _ := readReport(t, dir)
	charts := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1)
	require.Len(t, charts, 2)
	for _, c := range charts {
		dec := xml.NewDecoder(strings.NewReader(c))
		for {
			_, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
		require.NotContains(t, c, "Inf")
	}
	require.Contains(t, charts[0], "Equivalent circular diameter (nm)")
}

func TestReportsOfOddBatches(t *testing.T) {
	for name, b := range map[string]Batch{
		"nothing":    {Run: RunRecord{ID: "empty"}},
		"all failed": {Run: RunRecord{ID: `"}</style><b>`}, Inputs: []BatchInput{{Path: "x", Status: StatusFailed, Error: "no"}}},
		"one object": {Inputs: []BatchInput{{Path: "x", Status: StatusOK, Result: &Result{Objects: 1}, Sizes: Sizes{ECDPx: []float32{7}, WeightML: []float32{1}}}}},
		"edge only":  {Inputs: []BatchInput{{Path: "x", Status: StatusOK, Result: &Result{Objects: 1}, Sizes: Sizes{ECDPx: []float32{7}, WeightML: []float32{0}}}}},
		"not done":   {Inputs: []BatchInput{{Path: "x", Status: StatusGated}, {Path: "y", Status: StatusDropped, Error: "superseded"}}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, WriteBatch(dir, b))
			page, root := readReport(t, dir)
			require.Len(t, elements(root)["style"], 1)
			require.Empty(t, elements(root)["b"])
			require.NotContains(t, page, "NaN")
			require.Contains(t, textOf(root), "End of report")
		})
	}
}

func TestLongRunsAreLimitedAndSaySo(t *testing.T) {
	dir := t.TempDir()
	b := testBatch(t, dir, 0.5)
	one := b.Inputs[0]
	b.Inputs = nil
	for i := range 300 {
		in := one
		in.Path = fmt.Sprintf("/data/frame-%03d.tif", i)
		b.Inputs = append(b.Inputs, in)
	}
	for i := range 40 {
		b.Inputs = append(b.Inputs, BatchInput{Path: fmt.Sprintf("/data/torn-%03d.tif", i), Status: StatusFailed, Error: "torn"})
	}
	require.NoError(t, WriteBatch(dir, b))
	page, root := readReport(t, dir)
	require.Len(t, elements(root)["img"], maxCards)
	require.Contains(t, page, "The gallery shows 84 of 340 inputs")
	require.Contains(t, page, "frame-299.tif")
	require.Contains(t, page, "torn-039.tif")
	require.Less(t, len(page), 15<<20)
	chosen := chooseCards(&b)
	require.Equal(t, 0, chosen[0])
	require.Greater(t, chosen[maxCards-1], 290, "the pictures span the run")
}

func TestFewInputsGetLargePictures(t *testing.T) {
	var overlay bytes.Buffer
	const w, h = 1600, 200
	require.NoError(t, DrawOverlay(OverlayOptions{Labels: make([]int32, w*h), Width: w, Height: h}).WritePNG(&overlay))
	for cards, want := range map[int]struct {
		style string
		width int
	}{1: {"one", 1400}, 2: {"few", 800}, 4: {"few", 800}, 5: {"many", 480}, 84: {"many", 480}} {
		style, longPx := pictureSize(cards)
		require.Equal(t, want.style, style, "%d cards", cards)
		_, width, _, err := thumbnailURI(bytes.NewReader(overlay.Bytes()), longPx)
		require.NoError(t, err)
		require.Equal(t, want.width, width, "%d cards", cards)
	}
}

func TestObjectsThatNearlyFillTheirFrameArePointedOut(t *testing.T) {
	input := func(path string, weights ...float32) BatchInput {
		return BatchInput{
			Path: path, Status: StatusOK, Result: &Result{Objects: len(weights)},
			Sizes: Sizes{ECDPx: make([]float32, len(weights)), WeightML: weights},
		}
	}
	require.Empty(t, heavyNote(&Batch{Inputs: []BatchInput{input("a.tif", 0, 1.1, 3.9)}}))
	require.Equal(t, "2 objects are large for the frame, counted up to 128-fold by the border correction; "+
		"look at the outlines or use a lower magnification: b.tif, c.tif.",
		heavyNote(&Batch{Inputs: []BatchInput{input("a.tif", 1.1), input("b.tif", 4), input("d/c.tif", 1, 127.6)}}))
}

func TestNumbersReadWell(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want string
	}{
		{0, "0"},
		{12.3456, "12.35"},
		{0.99999, "1.000"},
		{123456, "123\u202f456"},
		{1234, "1234"},
		{12345.6, "12\u202f346"},
		{0.000123456, "0.0001235"},
		{1.5e-7, "1.500 × 10⁻⁷"},
		{2e9, "2.000 × 10⁹"},
		{-12.3456, "-12.35"},
	} {
		require.Equal(t, c.want, significant(c.v, 4), "%g", c.v)
	}
	typical := 1500.0
	require.Equal(t, "1.500", chooseUnit("nm", &typical).show(&typical))
	require.Equal(t, "µm²", chooseUnit("nm", &typical).power(2).name)
	require.Equal(t, "px", chooseUnit("px", &typical).name)
}

func TestTicksAreRound(t *testing.T) {
	require.Equal(t, []float64{0, 20, 40, 60, 80, 100}, axis{lo: 0, hi: 100}.ticks(5))
	require.Equal(t, []float64{5, 10, 20, 50, 100, 200}, axis{lo: 4, hi: 300, log: true}.ticks(5))
	for _, a := range []axis{{lo: 11.2, hi: 11.9}, {lo: 0.003, hi: 4000, log: true}, {lo: 90, hi: 110, log: true}} {
		n := len(a.ticks(8))
		require.Positive(t, n)
		require.Less(t, n, 18)
	}
}

func TestTheReportOfAnOpenRunSaysSo(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteBatch(dir, Batch{Run: RunRecord{ID: "r", OpenedAt: time.Unix(1, 0)}}))
	page, _ := readReport(t, dir)
	require.Contains(t, page, "still open when this report was written")
}
