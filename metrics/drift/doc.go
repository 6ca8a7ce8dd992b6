// Package drift measures how far the content of a frame has moved against a reference frame of the same field of view, as an
// image of a scanning electron or focused ion beam microscope does between two slices of a milling run.
//
// Method: phase correlation (Kuglin and Hines 1975). A reduced frame, freed of straight stripes and of local contrast, finds the
// shift to about a pixel within the whole range, once with each half of the reference's tiles (a checkerboard). Tiles of
// the full frame, cut where the content went, refine it: their cross spectra are added up, each frequency weighted by its
// coherence as the maximum likelihood estimator of a delay asks (Knapp and Carter 1976), each tile by how well it agrees
// with the others, and the top of the continuous correlation is found by Newton's method, which needs no upsampled grid
// (compare Guizar-Sicairos, Thurman and Fienup 2008) and no model of the peak (compare Foroosh, Zerubia and Berthod 2002).
//
// An answer is a success only where both halves agree, nothing else matches as well, and an answer near zero is not owed to
// something that stands still in every frame: a data bar, curtains, a pattern of the detector.
//
// Literature: C. D. Kuglin, D. C. Hines, Proc. IEEE Conf. Cybernetics and Society (1975) 163; C. H. Knapp, G. C. Carter, IEEE Trans.
// ASSP 24 (1976) 320; H. Foroosh, J. B. Zerubia, M. Berthod, IEEE Trans. Image Processing 11 (2002) 188; M. Guizar-Sicairos,
// S. T. Thurman, J. R. Fienup, Optics Letters 33 (2008) 156.
package drift
