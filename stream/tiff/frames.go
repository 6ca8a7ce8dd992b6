package tiff

// Frames returns the pages that are images of their own, in file order and at least one: not the reduced
// copies (thumbnails, pyramid levels), masks and previews that viewers use. Pages that cannot be decoded are
// among them, so that they are not passed over in silence.
func (f *File) Frames() []*Page {
	if f.frames != nil {
		return f.frames
	}
	for i, p := range f.Pages {
		if !p.reduced() && !f.preview(i) {
			f.frames = append(f.frames, p)
		}
	}
	if len(f.frames) == 0 {
		f.frames = f.Pages[:1]
	}
	return f.frames
}

// reduced reports whether the page says that it is a reduced copy or a mask (TIFF 6.0, NewSubfileType and
// its forerunner SubfileType).
func (p *Page) reduced() bool {
	const reducedCopy, mask, oldReduced = 1, 4, 2
	kind, _ := p.Uint(TagNewSubfileType, 0)
	old, _ := p.Uint(TagSubfileType, 0)
	photometric, _ := p.Uint(TagPhotometric, photometricBlackIsZero)
	return kind&(reducedCopy|mask) != 0 || old == oldReduced || photometric == photometricMask
}

// tagEXIF points to the directory of digital cameras, tagSIS to that of Olympus Soft Imaging Solutions.
const (
	tagEXIF = 34665
	tagSIS  = 33560
)

// preview recognises two kinds of copies that are not marked as such: the thumbnail that a camera puts on the
// second page (Exif 2.3, 4.5), and the colour rendering that Olympus SIS puts before the measured image.
func (f *File) preview(i int) bool {
	p := f.Pages[i]
	_, exif := p.Tag(tagEXIF)
	w, h := p.size()
	if i == 1 && len(f.Pages) == 2 && !exif {
		_, camera := f.Pages[0].Tag(tagEXIF)
		fullW, fullH := f.Pages[0].size()
		return camera && w <= 512 && h <= 512 && 2*w <= fullW && 2*h <= fullH
	}
	if i+1 == len(f.Pages) {
		return false
	}
	_, here := p.Tag(tagSIS)
	_, next := f.Pages[i+1].Tag(tagSIS)
	samples, _ := p.Uint(TagSamplesPerPixel, 1)
	nextW, nextH := f.Pages[i+1].size()
	return next && !here && samples >= 3 && w == nextW && h == nextH
}

// size returns what the page says about its width and height, 0 where it does not.
func (p *Page) size() (w, h uint64) {
	w, _ = p.Uint(TagImageWidth, 0)
	h, _ = p.Uint(TagImageLength, 0)
	return w, h
}
