// Package soak tests what a facility relies on for months, in minutes: overload, kills, dead brokers, full
// disks. It holds tests only, for Linux. In `make test` each has a short form of a few seconds; `make soak
// SOAK_MINUTES=N` runs the full forms, here and wherever a test's name ends in Soak. Every test prints its
// seed; SOAK_SEED repeats it.
package soak
