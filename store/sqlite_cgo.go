//go:build cgo

package store

import (
	"errors"

	"github.com/mattn/go-sqlite3"
)

// cgoCode returns the extended result code of an error of mattn's driver, which
// has it in a field of a type that exists with cgo only.
func cgoCode(err error) int {
	var e sqlite3.Error
	if errors.As(err, &e) {
		return int(e.ExtendedCode)
	}
	return 0
}
