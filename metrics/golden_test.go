package metrics

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// readPGM reads a binary 8-bit mask; anything above 0 becomes label 1.
func readPGM(t *testing.T, path string) (labels []int32, width, height int) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var peak int
	_, err = fmt.Sscanf(string(data), "P5 %d %d %d", &width, &height, &peak)
	require.NoError(t, err)
	pixels := data[bytes.IndexByte(data, '\n')+1:]
	require.Len(t, pixels, width*height)
	labels = make([]int32, len(pixels))
	for i, p := range pixels {
		if p > 0 {
			labels[i] = 1
		}
	}
	return labels, width, height
}

// readGolden reads a table of numbers by shape and column.
func readGolden(t *testing.T, name string) map[string]map[string]float64 {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	table := map[string]map[string]float64{}
	for _, row := range rows[1:] {
		table[row[0]] = map[string]float64{}
		for i := 1; i < len(row); i++ {
			v, err := strconv.ParseFloat(row[i], 64)
			require.NoError(t, err)
			table[row[0]][rows[0][i]] = v
		}
	}
	require.Len(t, table, 13)
	return table
}

// The tables come from scikit-image 0.19.3 with exact corner hulls, and from ImageJ 1.53t.
func TestShapesMatchIndependentPrograms(t *testing.T) {
	imagej := readGolden(t, "imagej.csv")
	for shape, want := range readGolden(t, "skimage.csv") {
		t.Run(shape, func(t *testing.T) {
			labels, w, h := readPGM(t, filepath.Join("testdata", shape+".pgm"))
			objects, err := Measure(labels, w, h, Options{})
			require.NoError(t, err)
			require.Len(t, objects, 1)
			o := objects[0]
			checkInvariants(t, &o)
			near := func(want, got float64) {
				t.Helper()
				require.InDelta(t, want, got, 1e-6*max(1, want))
			}
			near(want["area"], o.Area)
			near(want["area_filled"], o.AreaFilled)
			near(want["ecd"], o.ECD)
			near(want["perim_vs_pi"], o.Perimeter)
			near(want["feret_max_corner"], o.FeretMax)
			near(want["feret_min_corner"], o.FeretMin)

			ij := imagej[shape]
			near(ij["Feret"], o.FeretMax)
			near(ij["MinFeret"], o.FeretMin)
			near(ij["X"], o.X)
			near(ij["Y"], o.Y)
			near(ij["AR"], o.Major/o.Minor)
			// ImageJ scales the ellipse of equal moments to the object's area.
			ellipse := math.Sqrt(o.Area / (math.Pi * o.Major * o.Minor / 4))
			near(ij["Major"], o.Major*ellipse)
			near(ij["Minor"], o.Minor*ellipse)
			if ij["AR"] > 1.001 {
				near(math.Cos(2*ij["Angle"]*math.Pi/180), math.Cos(2*o.OrientationRad))
				near(math.Sin(2*ij["Angle"]*math.Pi/180), math.Sin(2*o.OrientationRad))
			}
			if o.Area >= MinShapeArea {
				near(want["area"]/want["hull_corner_area"], o.Solidity)
				near(ij["Solidity"], o.Solidity)
				near(want["feret_min_corner"]/want["feret_max_corner"], o.AspectRatioISO)
				near(ij["AR"], o.AREllipse)
				near(2*math.Sqrt(math.Pi*want["area"])/want["perim_vs_pi"], o.Sphericity)
				near(4*math.Pi*want["area"]/(want["perim_vs_pi"]*want["perim_vs_pi"]), o.CircularityIJ)
			}
		})
	}
}

func TestSinglePixel(t *testing.T) {
	objects, err := Measure([]int32{0, 0, 0, 0, 9, 0, 0, 0, 0}, 3, 3, Options{})
	require.NoError(t, err)
	require.Len(t, objects, 1)
	o := objects[0]
	require.Equal(t, 9, o.Label)
	require.Equal(t, 1.5, o.X)
	require.Equal(t, 1.5, o.Y)
	require.InDelta(t, math.Pi, o.Perimeter, 1e-12)
	require.InDelta(t, math.Sqrt2, o.FeretMax, 1e-12)
	require.InDelta(t, 1, o.FeretMin, 1e-12)
	require.False(t, o.Edge)
	require.Equal(t, 1.0, o.WeightML) // it has one place in the interior, and it is there
	require.Equal(t, Rect{1, 1, 2, 2}, o.BBox)
	checkInvariants(t, &o)
}

func TestOneObjectFillsTheFrame(t *testing.T) {
	const w, h = 700, 500
	labels := make([]int32, w*h)
	for i := range labels {
		labels[i] = math.MaxInt32
	}
	objects, err := Measure(labels, w, h, Options{})
	require.NoError(t, err)
	require.Len(t, objects, 1)
	o := objects[0]
	require.Equal(t, math.MaxInt32, o.Label)
	require.EqualValues(t, w*h, o.Area)
	require.True(t, o.Edge)
	require.Zero(t, o.WeightML)
	require.Equal(t, 1.0, o.Solidity)
	require.InDelta(t, math.Hypot(w, h), o.FeretMax, 1e-9)
	require.InDelta(t, h, o.FeretMin, 1e-9)
	require.InDelta(t, 0.980*2*(w+h-2)-0.091*4+math.Pi, o.Perimeter, 1e-6)
	require.InDelta(t, 4*w/math.Sqrt(12), o.Major, 1e-6)
	checkInvariants(t, &o)
}

func TestRingCountsItsHoleOnlyWhenFilled(t *testing.T) {
	const n = 60
	labels := make([]int32, n*n)
	disc(labels, n, n, 30, 30, 20, 1)
	disc(labels, n, n, 30, 30, 15, 2)
	disc(labels, n, n, 30, 30, 5, 1) // an island of the ring's own id, inside another object
	objects, err := Measure(labels, n, n, Options{})
	require.NoError(t, err)
	require.Len(t, objects, 2)
	ring, inner := objects[0], objects[1]
	require.Equal(t, ring.AreaFilled, ring.Area+inner.Area)
	require.Greater(t, inner.AreaFilled, inner.Area)

	alone := make([]int32, n*n)
	disc(alone, n, n, 30, 30, 20, 1)
	outer, err := Measure(alone, n, n, Options{})
	require.NoError(t, err)
	disc(alone, n, n, 30, 30, 20, 0)
	disc(alone, n, n, 30, 30, 5, 1)
	island, err := Measure(alone, n, n, Options{})
	require.NoError(t, err)
	require.InDelta(t, outer[0].Perimeter+island[0].Perimeter, ring.Perimeter, 1e-9)
	require.Equal(t, outer[0].FeretMax, ring.FeretMax)
}

func TestIdsKeepTheirGapsAndParts(t *testing.T) {
	const n = 120
	labels := make([]int32, n*n)
	disc(labels, n, n, 20, 20, 8, math.MaxInt32)
	disc(labels, n, n, 60, 20, 8, 300_000)
	disc(labels, n, n, 20, 60, 8, 65_537)
	disc(labels, n, n, 60, 60, 8, 5)
	disc(labels, n, n, 100, 100, 8, 300_000) // a second part
	conf := []float64{0.1, 0.2, 0.3, 0.4, 0.5}
	objects, err := Measure(labels, n, n, Options{Confidence: conf})
	require.NoError(t, err)
	ids := []int{}
	for _, o := range objects {
		ids = append(ids, o.Label)
	}
	require.Equal(t, []int{5, 65_537, 300_000, math.MaxInt32}, ids)
	require.Equal(t, 0.5, objects[0].Confidence)
	require.True(t, math.IsNaN(objects[1].Confidence))
	require.InDelta(t, 2*objects[0].Area, objects[2].Area, 0)
	require.InDelta(t, 2*objects[0].Perimeter, objects[2].Perimeter, 1e-9)
	require.InDelta(t, objects[0].Smoothness, objects[2].Smoothness, 1e-9)
	require.InDelta(t, 80, objects[2].X, 1e-9)
}

func TestEdgeIsTheBorderOfTheAnalysedArea(t *testing.T) {
	const n = 100
	labels := make([]int32, n*n)
	area := Rect{X0: 10, Y0: 20, X1: 90, Y1: 80}
	disc(labels, n, n, 50, 50, 5, 1)
	disc(labels, n, n, 15.5, 50.5, 5.4, 2) // first column 10
	disc(labels, n, n, 60, 75, 4, 3)       // last row 78: one row of background below
	disc(labels, n, n, 90, 40, 5, 4)       // half outside
	objects, err := Measure(labels, n, n, Options{Analysed: area})
	require.NoError(t, err)
	require.Equal(t, []bool{false, true, false, true}, []bool{objects[0].Edge, objects[1].Edge, objects[2].Edge, objects[3].Edge})
	require.InDelta(t, objects[3].Area/2, objects[3].AreaOutside, 0)
	require.InDelta(t, 78.*58/((78.-10+1)*(58.-10+1)), objects[0].WeightML, 1e-12)

	s := Summarise(objects, Options{Analysed: area}, n, n)
	require.InDelta(t, (objects[0].Area+objects[1].Area+objects[2].Area+objects[3].Area/2)/(80*60), s.AreaFraction, 1e-12)
}

func TestBadInputIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		labels        []int32
		width, height int
		area          Rect
	}{
		"wrong size":      {make([]int32, 5), 2, 3, Rect{}},
		"no width":        {nil, 0, 3, Rect{}},
		"too wide":        {nil, 1 << 20, 1, Rect{}},
		"too many pixels": {nil, 1 << 16, 1 << 16, Rect{}},
		"negative id":     {[]int32{0, 3, -2, 0}, 2, 2, Rect{}},
		"area outside":    {make([]int32, 4), 2, 2, Rect{X1: 3, Y1: 2}},
		"area empty":      {make([]int32, 4), 2, 2, Rect{X0: 1, X1: 1, Y1: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Measure(c.labels, c.width, c.height, Options{Analysed: c.area})
			require.ErrorContains(t, err, "labels: ")
			require.NotContains(t, err.Error(), "\n")
		})
	}
	objects, err := Measure(make([]int32, 6), 3, 2, Options{})
	require.NoError(t, err)
	require.Empty(t, objects)
}
