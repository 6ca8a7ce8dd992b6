// Package scalebar finds the scale bar burned into an electron micrograph, measures its length to a fraction of
// a pixel and reads its label. It works from pixels alone and never guesses: what is not certain is left out,
// with the reason.
package scalebar
