package reporting

import (
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

const (
	maxCards      = 60      // pictures in a gallery
	maxFailed     = 24      // cards of inputs without a result, which come on top
	maxGalleryLen = 9 << 20 // bytes of embedded pictures
)

// card is one input in the gallery.
type card struct {
	Number           int
	Name, Path, Link string
	Picture          template.URL // data URI; "" when there is none
	Width, Height    int
	Failed           bool
	Error            string
	Headline, Scale  string
	Flags            []string
}

// gallery makes the cards, in the run's order: of at most maxCards inputs with results, evenly spaced over
// the run, and of the first maxFailed without. The fewer there are, the larger their pictures; the style
// names the layout that fits. The note says what was left out.
func gallery(dir string, b *Batch) (cards []card, style, note string) {
	chosen := chooseCards(b)
	style, longPx := pictureSize(len(chosen))
	cards = make([]card, len(chosen))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for slot, i := range chosen {
		g.Go(func() error {
			cards[slot] = cardOf(dir, i+1, &b.Inputs[i], longPx)
			return nil
		})
	}
	_ = g.Wait() // a card without its picture is still a card
	size, without := 0, 0
	for i := range cards {
		if size += len(cards[i].Picture); size > maxGalleryLen && cards[i].Picture != "" {
			size -= len(cards[i].Picture)
			cards[i].Picture = ""
			without++
		}
	}
	if len(chosen) < len(b.Inputs) {
		note = fmt.Sprintf("The gallery shows %s of %s inputs, evenly spaced over the run; table 2 lists all of them. ",
			count(len(chosen)), count(len(b.Inputs)))
	}
	if without > 0 {
		note += fmt.Sprintf("%s left out to keep this file small. ", plural(without, "picture")+" "+wasWere(without))
	}
	return cards, style, note
}

// pictureSize returns the page's style class and the long side of pictures in px for so many cards.
func pictureSize(cards int) (style string, longPx int) {
	switch {
	case cards == 1:
		return "one", thumbnailOfOnePx
	case cards < thumbnailsAreMany:
		return "few", thumbnailOfFewPx
	}
	return "many", ThumbnailPx
}

// chooseCards returns indices of inputs, ascending.
func chooseCards(b *Batch) []int {
	done, failed := 0, 0
	for i := range b.Inputs {
		if b.Inputs[i].Result != nil {
			done++
		}
	}
	var chosen []int
	seen := 0
	for i := range b.Inputs {
		switch {
		case b.Inputs[i].Result == nil:
			if failed++; failed <= maxFailed {
				chosen = append(chosen, i)
			}
		default:
			// The k-th of done inputs is shown when it begins a new one of maxCards equal shares.
			if done <= maxCards || seen*maxCards/done != (seen-1)*maxCards/done || seen == 0 {
				chosen = append(chosen, i)
			}
			seen++
		}
	}
	return chosen
}

func cardOf(dir string, number int, in *BatchInput, longPx int) card {
	c := card{Number: number, Name: filepath.Base(in.Path), Path: in.Path}
	if in.Result == nil {
		c.Failed, c.Error = in.Status == StatusFailed, in.Error
		if !c.Failed {
			c.Headline = map[string]string{StatusGated: "not analysed", StatusDropped: "superseded"}[in.Status]
		}
		return c
	}
	r := in.Result
	stat, stored := diametersOf(in)
	unit := chooseUnit(stored, stat.P50)
	c.Headline = plural(r.Objects, "object")
	if stat.P50 != nil {
		c.Headline += " · D50 " + unit.show(stat.P50) + " " + unit.name
	}
	size, source := scaleTexts(&r.Scale)
	c.Scale = strings.TrimSuffix(size+", "+source, ", ")
	if f := overlayFactor(r.Image.Width, r.Image.Height); f > 1 {
		c.Scale += fmt.Sprintf(" · overlay reduced %d:1", f)
	}
	for _, f := range r.ImageQuality {
		c.Flags = append(c.Flags, flagText(f))
	}
	if r.Confidence != nil && *r.Confidence < lowConfidence {
		c.Flags = append(c.Flags, "low confidence")
	}
	for _, check := range r.Scale.Checks {
		if check.Status == "fail" {
			c.Flags = append(c.Flags, "scale check failed")
			break
		}
	}
	c.Link = linkTo(in.Folder, OverlayFile)
	if uri, w, h, err := folderThumbnail(filepath.Join(dir, in.Folder), longPx); err == nil {
		c.Picture, c.Width, c.Height = template.URL(uri), w, h
	}
	return c
}

// folderThumbnail reduces the overlay of an input's folder.
func folderThumbnail(folder string, longPx int) (uri string, width, height int, err error) {
	f, err := os.Open(filepath.Join(folder, OverlayFile))
	if err != nil {
		return "", 0, 0, err
	}
	defer f.Close()
	return thumbnailURI(f, longPx)
}
