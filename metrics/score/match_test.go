package score

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// picture reads labels from rows of digits, '.' is background.
func picture(rows ...string) []int32 {
	var out []int32
	for _, c := range strings.Join(rows, "") {
		if c == '.' {
			out = append(out, 0)
		} else {
			out = append(out, c-'0')
		}
	}
	return out
}

func match(t *testing.T, truth, found []int32) *Matching {
	t.Helper()
	m, err := Match(truth, found)
	require.NoError(t, err)
	return m
}

func fates(objects []Object) (out []Fate) {
	for _, o := range objects {
		out = append(out, o.Fate)
	}
	return out
}

func TestObjectsMatchAboveHalfOfTheirUnion(t *testing.T) {
	m := match(t,
		picture("1111..2222..33..", "1111..2222..33.."),
		picture("1111...2222..777", "1111...2222....."))
	// 1: 8/8; 2: 6/10; 3: 1/6
	require.Equal(t, []Fate{Matched, Matched, Lost}, fates(m.Truth))
	require.Equal(t, []Object{
		{Label: 1, AreaPx: 8, Partner: 0, IoU: 1, Fate: Matched},
		{Label: 2, AreaPx: 8, Partner: 1, IoU: 0.6, Fate: Matched},
		{Label: 7, AreaPx: 3, Partner: -1, Fate: Lost},
	}, m.Found)
	s := m.Score()
	require.Equal(t, []int{3, 3, 2, 1, 1}, []int{s.Truth, s.Found, s.TP, s.FP, s.FN})
	// AP: 2/4 up to 0.55, then 0.6 is no longer above the threshold: 1/5
	require.Equal(t, []float64{.5, .5, .2, .2, .2, .2, .2, .2, .2, .2}, s.AP)
	require.InDelta(t, 0.26, *s.APMean, 1e-12)
	require.InDelta(t, 1.6/3, *s.PQ, 1e-12)
	require.InDelta(t, 0.8, *s.SQ, 1e-12)
	require.InDelta(t, 2.0/3, *s.RQ, 1e-12)
	require.InDelta(t, 2.0/3, *s.Precision, 1e-12)
	require.InDelta(t, 2.0/3, *s.Recall, 1e-12)
	require.Equal(t, []int{1, 1, 0, 0}, []int{s.Missed, s.False, s.Split, s.Mergers})
}

func TestExactlyHalfIsNoMatch(t *testing.T) {
	m := match(t, picture("11.."), picture("1111"))
	require.Equal(t, []Fate{Lost}, fates(m.Truth))
	require.Zero(t, m.Score().TP)
}

func TestSplitAndMergedObjectsAreTold(t *testing.T) {
	m := match(t,
		picture("11111111..2233..5555"),
		picture("11112222..6666..7..8"))
	require.Equal(t, []Fate{Split, Merged, Merged, Lost}, fates(m.Truth), "5 has only half of it in pieces")
	require.Equal(t, []Fate{Split, Split, Merged, Lost, Lost}, fates(m.Found))
	s := m.Score()
	require.Equal(t, []int{1, 1, 2, 1, 2}, []int{s.Split, s.Mergers, s.MergedTruth, s.Missed, s.False})
}

func TestAMatchedObjectIsNeitherSplitNorMerger(t *testing.T) {
	m := match(t, picture("1111111122"), picture("1111111111"))
	require.Equal(t, []Fate{Matched, Lost}, fates(m.Truth))
	m = match(t, picture("1111111111"), picture("1111111122"))
	require.Equal(t, []Fate{Matched, Lost}, fates(m.Found))
}

func TestEmptyImages(t *testing.T) {
	none, one := make([]int32, 4), []int32{0, 5, 5, -1}
	s := match(t, none, none).Score()
	require.True(t, s.Empty())
	require.Nil(t, s.AP)
	require.Nil(t, s.PQ)
	require.Nil(t, s.D50.ErrorPercent)
	s = match(t, none, one).Score()
	require.Equal(t, 1, s.FP)
	require.Nil(t, s.AP50())
	require.Zero(t, *s.Precision)
	s = match(t, one, none).Score()
	require.Equal(t, 1, s.FN)
	require.Zero(t, *s.AP50())
	require.Zero(t, *s.PQ)
	require.Nil(t, s.Precision)
	require.Nil(t, s.SQ)
}

func TestSizesMustAgree(t *testing.T) {
	_, err := Match(make([]int32, 4), make([]int32, 6))
	require.EqualError(t, err, "truth has 4 px, the found labels have 6: compare label images of the same size")
}

func TestSparseLabelsScoreAsDenseOnes(t *testing.T) {
	truth, found := picture("1122..33", "1122..33"), picture("11.223.3", "1122.3.3")
	far := func(labels []int32) []int32 {
		out := slices.Clone(labels)
		for i, l := range out {
			if l > 0 {
				out[i] = 1<<31 - 10 + l
			}
		}
		return out
	}
	require.Equal(t, match(t, truth, found).Score(), match(t, far(truth), far(found)).Score())
	require.EqualValues(t, 1<<31-9, match(t, far(truth), found).Truth[0].Label)
}

func TestDiametersAreByNumber(t *testing.T) {
	m := match(t, picture("1222233333333"), picture("1222233333333"))
	s := m.Score()
	require.InDelta(t, 2*1.1283791670955126, *s.D50.TruthPx, 1e-12) // area 4
	require.Zero(t, *s.D50.ErrorPercent)
	s = match(t, picture("1111222233334444"), picture("1...222.........")).Score()
	require.InDelta(t, 100*(1.3660254037844386/2-1), *s.D50.ErrorPercent, 1e-9) // (1 + sqrt 3)/2 against 2
}

// naive is the obvious scorer: every pair of objects, pixel by pixel.
func naive(truth, found []int32) (tp int, iou float64) {
	count := func(labels []int32, l int32) (n int) {
		for _, v := range labels {
			if v == l {
				n++
			}
		}
		return n
	}
	for a := int32(1); a < 40; a++ {
		for b := int32(1); b < 40; b++ {
			both := 0
			for i := range truth {
				if truth[i] == a && found[i] == b {
					both++
				}
			}
			if union := count(truth, a) + count(found, b) - both; 2*both > union {
				tp++
				iou += float64(both) / float64(union)
			}
		}
	}
	return tp, iou
}

func TestScoresMatchTheNaiveScorer(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		truth := make([]int32, 600)
		for i := 0; i < len(truth); {
			l := rng.Int32N(40)
			for n := 1 + rng.IntN(20); n > 0 && i < len(truth); n, i = n-1, i+1 {
				truth[i] = l
			}
		}
		found := slices.Clone(truth)
		for range 60 {
			found[rng.IntN(len(found))] = rng.Int32N(40)
		}
		m := match(t, truth, found)
		s := m.Score()
		tp, iou := naive(truth, found)
		require.Equal(t, tp, s.TP)
		require.InDelta(t, iou/(float64(tp)+float64(s.FP+s.FN)/2), *s.PQ, 1e-12)
		for _, o := range m.Truth {
			if o.Partner >= 0 {
				require.Equal(t, o.IoU, m.Found[o.Partner].IoU)
			}
		}
	}
}

// BenchmarkMatch8K compares 10 000 discs in a frame of 8192x8192 px.
func BenchmarkMatch8K(b *testing.B) {
	const side, pitch, radius = 8192, 81, 36
	truth, found := make([]int32, side*side), make([]int32, side*side)
	n := int32(0)
	for cy := pitch / 2; cy+radius+3 < side; cy += pitch {
		for cx := pitch / 2; cx+radius+3 < side; cx += pitch {
			n++
			for dy := -radius; dy <= radius; dy++ {
				for dx := -radius; dx <= radius; dx++ {
					if dx*dx+dy*dy <= radius*radius {
						truth[(cy+dy)*side+cx+dx] = n
						found[(cy+dy+2)*side+cx+dx+3] = n
					}
				}
			}
		}
	}
	b.ReportMetric(float64(n), "objects")
	for b.Loop() {
		m, err := Match(truth, found)
		if err != nil || m.Score().TP != int(n) {
			b.Fatal(err)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte{1, 1, 2, 2, 0, 3}, []byte{1, 1, 1, 2, 4, 3})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		n := min(len(a), len(b))
		truth, found := make([]int32, n), make([]int32, n)
		for i := range n {
			truth[i], found[i] = int32(int8(a[i]))<<(a[i]%25), int32(int8(b[i]))
		}
		m := match(t, truth, found)
		s := m.Score()
		if s.TP+s.FP != len(m.Found) || s.TP+s.FN != len(m.Truth) || s.TP+s.Missed+s.Split+s.MergedTruth != len(m.Truth) {
			t.Fatalf("counts do not add up: %+v", s)
		}
		area := 0
		for _, o := range m.Truth {
			area += o.AreaPx
			if o.Partner >= 0 && (m.Found[o.Partner].Partner < 0 || o.IoU <= 0.5 || o.Fate != Matched) {
				t.Fatalf("a match that is none: %+v", o)
			}
		}
		if area > n {
			t.Fatalf("%d px of objects in %d px", area, n)
		}
		for k, v := range s.AP {
			if v < 0 || v > 1 || k > 0 && v > s.AP[k-1] {
				t.Fatalf("AP %v", s.AP)
			}
		}
	})
}
