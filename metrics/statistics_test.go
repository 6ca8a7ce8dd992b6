package metrics

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// x = 10..50 by number and by area, against hand-computed percentiles.
func TestWeightedHazenVector(t *testing.T) {
	x := []float64{30, 10, 50, 20, 40}
	at := func(w []float64, p float64) float64 {
		q, _ := QuantileHazen(x, w, p)
		return q
	}
	weights := func(power float64) []float64 {
		w := make([]float64, len(x))
		for i := range x {
			w[i] = math.Pow(x[i], power)
		}
		return w
	}
	for _, w := range [][]float64{nil, weights(0)} {
		require.InDelta(t, 10, at(w, 0.1), 1e-9)
		require.InDelta(t, 30, at(w, 0.5), 1e-9)
		require.InDelta(t, 50, at(w, 0.9), 1e-9)
	}
	require.InDelta(t, 23.8462, at(weights(2), 0.1), 5e-5)
	require.InDelta(t, 42.6829, at(weights(2), 0.5), 5e-5)
	require.InDelta(t, 50, at(weights(2), 0.9), 5e-5)
	require.InDelta(t, 30.0000, at(weights(3), 0.1), 5e-5)
	require.InDelta(t, 44.7090, at(weights(3), 0.5), 5e-5)
	q, extrapolated := QuantileHazen(x, weights(3), 0.9)
	require.Equal(t, 50.0, q)
	require.True(t, extrapolated)
	_, extrapolated = QuantileHazen(x, nil, 0.5)
	require.False(t, extrapolated)
	q, extrapolated = QuantileHazen(x, nil, 0.01)
	require.Equal(t, 10.0, q)
	require.True(t, extrapolated)
	require.Equal(t, []float64{30, 10, 50, 20, 40}, x, "arguments stay as they are")

	q, _ = QuantileHazen(nil, nil, 0.5)
	require.True(t, math.IsNaN(q))
	q, _ = QuantileHazen([]float64{math.NaN(), 7, math.Inf(1), 9}, []float64{1, 1, 1, 0}, 0.5)
	require.Equal(t, 7.0, q)
	require.Panics(t, func() { QuantileHazen(x, []float64{1}, 0.5) })
}

func TestEqualValuesCountInTheOrderGiven(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	x, w := make([]float64, 500), make([]float64, 500)
	for i := range x {
		x[i], w[i] = float64(rng.IntN(40)), 1+rng.Float64()
	}
	s := samples(x, w)
	require.True(t, slices.IsSortedFunc(s, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.at, b.at))
	}))
}

func TestCumulativeInvertsQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	values, weights := make([]float64, 200), make([]float64, 200)
	for i := range values {
		values[i], weights[i] = math.Exp(rng.NormFloat64()), 0.5+rng.Float64()
	}
	x, q := Cumulative(values, weights)
	require.Len(t, x, 200)
	last := math.Inf(-1)
	for i := range x {
		v, extrapolated := QuantileHazen(values, weights, q[i])
		require.InDelta(t, x[i], v, 1e-9)
		require.False(t, extrapolated)
		require.GreaterOrEqual(t, v, last, "quantiles are monotone")
		last = v
	}
	x, q = Cumulative(nil, nil)
	require.Empty(t, x)
	require.Empty(t, q)
}

func TestHistogramKeepsWeight(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	narrow, wide := make([]float64, 500), make([]float64, 500)
	for i := range narrow {
		narrow[i] = 100 + 5*rng.NormFloat64()
		wide[i] = math.Exp(1.5 * rng.NormFloat64())
	}
	for name, c := range map[string]struct {
		values []float64
		rule   string
	}{
		"narrow":   {narrow, "Freedman-Diaconis"},
		"wide":     {wide, "geometric R10"},
		"negative": {[]float64{-5, 0, 3, 1000}, "Freedman-Diaconis"},
		"equal":    {[]float64{3, 3, 3}, "single"},
		"one zero": {[]float64{0}, "single"},
		"no IQR":   {[]float64{1, 2, 2, 2, 2, 2, 2, 2, 2, 3}, "Freedman-Diaconis"},
		"huge":     {[]float64{1e-300, 1e300}, "geometric R10"},
		"outlier":  {append([]float64{1e6}, narrow...), "geometric R10"},
		"ulps":     {[]float64{1, math.Nextafter(1, 2)}, "Freedman-Diaconis"},
		"decades":  {[]float64{1, 10, 100, 1000}, "geometric R10"},
	} {
		t.Run(name, func(t *testing.T) {
			b := Histogram(c.values, nil)
			require.Equal(t, c.rule, b.Rule)
			require.Len(t, b.Edges, len(b.Weight)+1)
			require.LessOrEqual(t, len(b.Weight), mostBins+1)
			require.IsIncreasing(t, b.Edges)
			require.LessOrEqual(t, b.Edges[0], min(c.values[0], b.Edges[0]))
			sum, integral := 0.0, 0.0
			for i := range b.Weight {
				sum += b.Weight[i]
				integral += b.Density[i] * (b.Edges[i+1] - b.Edges[i])
			}
			require.InDelta(t, len(c.values), sum, 1e-9)
			require.InDelta(t, 1, integral, 1e-9)
		})
	}
	require.Empty(t, Histogram(nil, nil).Edges)
	require.Equal(t, []float64{3}, Histogram([]float64{1, 1}, []float64{1, 2}).Weight)
}

// few returns measured objects: 10, 20 .. 50 px in diameter, all unit weights, plus one at the edge and
// one without shape.
func few() []Object {
	nan := math.NaN()
	var objects []Object
	for i := range 5 {
		objects = append(objects, Object{Label: i + 1, ECD: 10 * float64(i+1), Area: 100, Sphericity: 0.5, WeightML: 1, Confidence: 0.9})
	}
	return append(objects,
		Object{Label: 6, ECD: 999, Area: 100, Sphericity: 0.9, Edge: true, Confidence: 0.3},
		Object{Label: 7, ECD: 30, Area: 20, Sphericity: nan, WeightML: 2, Confidence: nan})
}

func TestSummaryExcludesEdgesAndUndefined(t *testing.T) {
	opt := Options{NmPerPx: 2}
	s := Summarise(few(), opt, 100, 50)
	require.Equal(t, 7, s.Objects)
	require.Equal(t, EdgePolicy, s.EdgePolicy)
	require.InDelta(t, 620./5000, s.AreaFraction, 1e-12)
	require.InDelta(t, 7/(5000*4e-6), *s.DensityPerUm2, 1e-9)
	require.InDelta(t, (5*0.9+0.3)/6, *s.Confidence, 1e-12)

	ecd := s.Statistics["ecd_px"]
	require.Equal(t, 6, ecd.N)
	require.Equal(t, 1, ecd.NExcluded)
	require.Equal(t, 10.0, *ecd.Min)
	require.Equal(t, 50.0, *ecd.Max)
	require.InDelta(t, 30, *ecd.Mean, 1e-12)
	require.InDelta(t, 30, *ecd.P50, 1e-12)
	require.InDelta(t, math.Sqrt(1000./7*6/5), *ecd.SD, 1e-12)
	nm := s.Statistics["ecd_nm"]
	require.InDelta(t, 60, *nm.P50, 1e-12)
	require.InDelta(t, 2**ecd.SD, *nm.SD, 1e-12)
	require.InDelta(t, 400, *s.Statistics["area_nm2"].Max, 1e-12)

	shape := s.Statistics["sphericity"]
	require.Equal(t, 5, shape.N)
	require.Equal(t, 2, shape.NExcluded)
	require.Zero(t, *shape.SD)
	for _, c := range Columns() {
		_, ok := s.Statistics[c.Name]
		require.Equal(t, !c.Plain, ok, c.Name)
	}

	unscaled := Summarise(few(), Options{}, 100, 50)
	require.Nil(t, unscaled.DensityPerUm2)
	require.Equal(t, Stat{NExcluded: 7}, unscaled.Statistics["ecd_nm"])
	_, err := json.Marshal(unscaled.Statistics)
	require.NoError(t, err)
}

func TestSummaryOfFewObjects(t *testing.T) {
	s := Summarise(nil, Options{NmPerPx: 1}, 64, 64)
	require.Zero(t, s.Objects)
	require.Zero(t, s.AreaFraction)
	require.Zero(t, *s.DensityPerUm2)
	require.Nil(t, s.Confidence)
	require.Equal(t, Stat{}, s.Statistics["ecd_px"])

	s = Summarise(few()[:1], Options{}, 64, 64)
	one := s.Statistics["ecd_px"]
	require.Nil(t, one.SD)
	require.Equal(t, []float64{10, 10, 10, 10}, []float64{*one.Mean, *one.P10, *one.P50, *one.P90})

	vector := Summarise(few()[:5], Options{}, 64, 64).Statistics["ecd_px"]
	require.InDelta(t, 15.81139, *vector.SD, 5e-6)
}

func TestMeanStaysWithinTheValuesWhateverTheWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		x := rng.Float64() * 100
		s := make([]sample, 1+rng.IntN(4))
		for i := range s {
			s[i] = sample{x: x, w: 1 + 9*rng.Float64()}
		}
		st := stat(s, len(s))
		require.Equal(t, x, *st.Mean)
		if len(s) > 1 {
			require.Zero(t, *st.SD)
		}
	}
}

func TestCSVFollowsTheContract(t *testing.T) {
	var buf bytes.Buffer
	require.NoError(t, WriteCSV(&buf, few(), 0))
	require.True(t, strings.HasPrefix(buf.String(), "label,x_px,y_px,area_px,ecd_px,perimeter_px,feret_max_px,feret_min_px,"+
		"aspect_ratio_iso,ar_ellipse,sphericity,circularity_ij,solidity,smoothness,edge,weight_ml,confidence,"))
	rows, err := csv.NewReader(&buf).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 8)
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	require.Len(t, column, len(Columns()))
	require.Equal(t, "1", rows[6][column["edge"]])
	require.Equal(t, "0", rows[1][column["edge"]])
	require.Empty(t, rows[7][column["sphericity"]])
	require.Empty(t, rows[1][column["ecd_nm"]])
	require.Empty(t, rows[1][column["area_nm2"]])

	buf.Reset()
	require.NoError(t, WriteCSV(&buf, few(), 0.5))
	rows, err = csv.NewReader(&buf).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "5", rows[1][column["ecd_nm"]])
	require.Equal(t, "25", rows[1][column["area_nm2"]])

	buf.Reset()
	require.NoError(t, WriteCSV(&buf, nil, 1))
	require.Equal(t, 1, strings.Count(buf.String(), "\n"))
	require.NotContains(t, buf.String(), "\r")
	require.ErrorIs(t, WriteCSV(failing{}, few(), 1), errDisk)
}

var errDisk = errors.New("disk full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errDisk }

func TestNumbersKeepSevenDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 12: "12", -3: "-3", 0.5: "0.5", math.Pi: "3.141593", -math.Pi: "-3.141593", 1e6 * math.Pi: "3141593",
		12345678: "12345678", 12345678.5: "12345679", 0.000123456789: "0.0001234568", 1.5e-7: "1.5e-07",
		1.0000000001: "1", 0.99999999: "1", 9.99999999: "10", 1e20: "1e+20", 0.05: "0.05", 100.25: "100.25",
	} {
		require.Equal(t, want, string(appendNumber(nil, v)))
	}
	require.Empty(t, appendNumber(nil, math.NaN()))
	require.Empty(t, appendNumber(nil, math.Inf(-1)))
	rng := rand.New(rand.NewPCG(15, 16))
	for range 20_000 {
		v := math.Exp(12 * rng.NormFloat64())
		got, err := strconv.ParseFloat(string(appendNumber(nil, v)), 64)
		require.NoError(t, err)
		require.InEpsilon(t, v, got, 5.1e-7)
	}
}

func TestCSVOf100000RowsIsQuick(t *testing.T) {
	objects := make([]Object, 100_000)
	for i := range objects {
		objects[i] = few()[i%5]
		objects[i].ECD = float64(i) * math.Pi
	}
	start := time.Now()
	require.NoError(t, WriteCSV(discard{}, objects, 1.234))
	require.Less(t, time.Since(start), 5*time.Second, "generous: machines under load")
	allocs := testing.AllocsPerRun(1, func() { _ = WriteCSV(discard{}, objects[:1000], 1) })
	require.Less(t, allocs, 100.)
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
