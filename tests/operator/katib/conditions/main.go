// Command conditions says what Katib makes of objects: lines of JSON in, a line out for each.
//
// The rule is that of GetDeployedJobStatus in pkg/controller.v1beta1/trial/util/job_util.go of
// Katib 0.19, with the same library: a condition holds where its path leads to an object, or to an
// array that is not empty; the failure condition is asked first.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/tidwall/gjson"
)

type question struct {
	Object           json.RawMessage `json:"object"`
	SuccessCondition string          `json:"successCondition"`
	FailureCondition string          `json:"failureCondition"`
}

func main() {
	lines := json.NewDecoder(os.Stdin)
	for lines.More() {
		var asked question
		if err := lines.Decode(&asked); err != nil {
			log.Fatal(err)
		}
		fmt.Println(answer(asked))
	}
}

func answer(asked question) string {
	if reason, ok := holds(asked.Object, asked.FailureCondition); ok {
		return "Failed " + reason
	}
	if reason, ok := holds(asked.Object, asked.SuccessCondition); ok {
		return "Succeeded " + reason
	}
	return "Running"
}

func holds(object json.RawMessage, path string) (string, bool) {
	found := gjson.GetBytes(object, path)
	if found.IsArray() && len(found.Array()) > 0 {
		found = found.Array()[0]
	}
	return found.Get("reason").String(), found.IsObject()
}
