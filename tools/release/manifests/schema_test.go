package manifests

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// schema is what editors complete a configuration by.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/reference/streamq-proxy.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("streamq-proxy.schema.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("streamq-proxy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid holds a configuration to the schema.
func valid(t *testing.T, s *jsonschema.Schema, config string) error {
	t.Helper()
	text, err := yaml.YAMLToJSON([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// examples are all configurations that documents show, and the package's; those in other files come by check.
func examples(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/*/*.md", "deploy/README.md", "deploy/debian/config.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.HasSuffix(file, "/config.yaml"):
				all = append(all, string(text))
			case strings.HasSuffix(file, ".md"):
				for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
					if strings.Contains(string(m[1]), "frontend:") {
						all = append(all, string(m[1]))
					}
				}
			}
		}
	}
	return all
}

// TestSchemaTakesEveryExample: an editor finds nothing wrong with what the documents show, and says what the program would.
func TestSchemaTakesEveryExample(t *testing.T) {
	s := schema(t)
	all := examples(t)
	for _, config := range all {
		if err := valid(t, s, config); err != nil {
			t.Errorf("%v\nin\n%s", err, config)
		}
	}
	if len(all) < 6 {
		t.Errorf("only %d examples were found", len(all))
	}
	for _, wrong := range []string{
		"http: ''", "pools: [{fronted: [tcp://*:1]}]", "pools: [{queue-max: -1}]", "pools: [{queue-timeout: 5}]", "pools: [{policy: fastest}]",
		"pools: [{workers: [{name: w, wait: 3}]}]", "pools: [{frontend: tcp://*:1}]", "log: {level: loud}\npools: []", "pools: [{require-hello: perhaps}]",
	} {
		if valid(t, s, wrong) == nil {
			t.Errorf("nothing is wrong with %s", wrong)
		}
	}
}
