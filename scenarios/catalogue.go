package scenarios

import (
	"embed"
	"path"
	"strings"
)

//go:embed catalog/*.yaml
var catalog embed.FS

// Entry is one scenario of the catalogue.
type Entry struct {
	Name        string
	Description string
	Text        string // the file, comments included
}

// Catalogue lists the scenarios that come with the program, by name.
func Catalogue() []Entry {
	files, err := catalog.ReadDir("catalog")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	var entries []Entry
	for _, f := range files {
		text, err := catalog.ReadFile(path.Join("catalog", f.Name()))
		if err != nil {
			panic(err)
		}
		entries = append(entries, Entry{
			Name:        strings.TrimSuffix(f.Name(), ".yaml"),
			Description: topLevel(string(text), "description"),
			Text:        string(text),
		})
	}
	return entries
}

// topLevel is the value of a plain field of a catalogue file, without parsing all of it.
func topLevel(text, field string) string {
	_, rest, _ := strings.Cut(text, "\n"+field+": ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// Text is the file of a scenario of the catalogue, comments included. The error is an *Error that names the nearest one.
func Text(name string) ([]byte, error) {
	for _, e := range Catalogue() {
		if e.Name == name {
			return []byte(e.Text), nil
		}
	}
	return nil, unknownName(name)
}

func unknownName(name string) *Error {
	var names []string
	for _, e := range Catalogue() {
		names = append(names, e.Name)
	}
	return errorf("scenario %q is neither in the catalogue nor a file, %s, or the path of a file", name, didYouMean(name, names))
}
