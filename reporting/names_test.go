package reporting

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func hash8(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:])[:8]
}

func TestLaterCollisionsGetTheHashOfTheirPath(t *testing.T) {
	var n Namer
	for _, c := range []struct{ path, want string }{
		{"/a/img.tif", "img.tif"},
		{"/b/img.tif", "img.tif~" + hash8("/b/img.tif")},
		{"/c/IMG.TIF", "IMG.TIF~" + hash8("/c/IMG.TIF")},
		{"/a/img.tif", "img.tif"}, // the same path again
		{"/a/./img.tif", "img.tif"},
		{"/a/img.png", "img.png"}, // another extension is another name
		{"/a/Grün.tif", "Grün.tif"},
		{"/b/Gru\u0308n.tif", "Gru\u0308n.tif~" + hash8("/b/Gru\u0308n.tif")}, // NFD of the same
		{"/a/STRASSE.tif", "STRASSE.tif"},
		{"/b/straße.tif", "straße.tif~" + hash8("/b/straße.tif")}, // full case folding
		{"/a/report.html", "report.html~" + hash8("/a/report.html")},
		{"/a/Summary.CSV", "Summary.CSV~" + hash8("/a/Summary.CSV")},
		{"/a/report.pdf", "report.pdf~" + hash8("/a/report.pdf")},
	} {
		require.Equal(t, c.want, n.Name("", c.path), c.path)
	}
}

func TestNamesAreLegalEverywhere(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"frame 0001.tif", "frame 0001.tif"},
		{"颗粒 12.tif", "颗粒 12.tif"},
		{"CON", "_CON"},
		{"con.tif", "_con.tif"},
		{"nul .tif", "_nul .tif"},
		{"COM7.png", "_COM7.png"},
		{"COM¹.png", "_COM¹.png"},
		{"COMB.png", "COMB.png"},
		{"COM10.png", "COM10.png"},
		{"a.", "a_"},
		{"a. .", "a___"},
		{"...", "___"},
		{`a:b*c?"<>|.tif`, "a_b_c_____.tif"},
		{`sub\a.tif`, "sub_a.tif"},
		{"a\nb\x7f.tif", "a_b_.tif"},
		{"bad\xff.tif", "bad_.tif"},
		{".aimsd", "_.aimsd"},
		{".hidden.tif", ".hidden.tif"},
		{"..", "__"},
	} {
		var n Namer
		require.Equal(t, c.want, n.Name(c.name, "/x/"+c.name), "%q", c.name)
	}
}

func TestLongNamesAreCutBetweenRunesAndKeepTheirExtension(t *testing.T) {
	var n Namer
	long := strings.Repeat("粒", 100) + ".tif"
	got := n.Name(long, "/a/"+long)
	require.LessOrEqual(t, len(got), maxNameBytes)
	require.True(t, utf8.ValidString(got))
	require.True(t, strings.HasSuffix(got, ".tif"))
	other := strings.Repeat("粒", 99) + "x.tif"
	require.Contains(t, n.Name(other, "/a/"+other), "~", "names equal after the cut must not share a folder")
}

func TestARestoredPathKeepsItsFolder(t *testing.T) {
	var n Namer
	n.Restore("img.tif", "/old/img.tif")
	n.Take("notes")
	require.Equal(t, "img.tif~"+hash8("/new/img.tif"), n.Name("", "/new/img.tif"))
	require.Equal(t, "img.tif", n.Name("", "/old/img.tif"))
	require.Equal(t, "notes~"+hash8("/new/notes"), n.Name("", "/new/notes"))
}
