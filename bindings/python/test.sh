#!/usr/bin/env bash
# test.sh PART SOURCE BUILD: a part of the Python package's tests, for ctest,
# which sets the environment.
set -euo pipefail
part=$1 source=$2 build=$3
package=$source/bindings/python
mkdir -p "$build"

# python_with MODULE...: the first Python that has these, or none.
python_with() {
  local python module
  for python in "$PYTHON" /usr/bin/python3; do
    for module in "$@"; do
      # Isolated: a folder of this name here is no module.
      "$python" -I -c "import $module" 2>/dev/null || continue 2
    done
    echo "$python"
    return
  done
}

# An archive with a model, where the manual has one.
make_archive() {
  local names=(config.json generation_config.json model.safetensors
               tokenizer.json tokenizer_config.json)
  rm -rf "$build/model"
  mkdir "$build/model"
  cp "${names[@]/#/$BALEEN_POCKET/}" "$build/model"
  (cd "$build" && "$PYTHON" -m zipfile -c game.zip model)
}

# The program in a page of the manual, as a reader would type it.
run_snippet() {
  local page=$1 text
  awk '/^```python$/ { inside = 1; next } /^```$/ { inside = 0 } inside' \
    "$source/$page" | sed "s|\"/models/[^\"]*\"|\"$BALEEN_POCKET\"|" \
    >"$build/snippet.py"
  text=$(cd "$build" && PYTHONPATH=$package "$PYTHON" snippet.py \
    "$BALEEN_POCKET" "Tell me about the sea.")
  ((${#text} > 20)) || { echo "$page said only: $text" && return 1; }
}

run_scenarios() {
  local name
  for name in session chat cancel hooks steps; do
    "$PYTHON" "$package/test/${name}_test.py"
  done
}

case $part in
  package)
    "$PYTHON" "$package/test/declarations_test.py" \
      "$source"/tests/abi/layout_*.inc
    run_scenarios
    make_archive
    run_snippet docs/embedding.md
    run_snippet bindings/python/README.md
    ;;
  types)
    "$PYTHON" -m compileall -q "$package"
    python=$(python_with mypy)
    [[ -n $python ]] || { echo "skipped: mypy is not installed" && exit; }
    cd "$package"
    "$python" -m mypy --cache-dir "$build/mypy" baleen
    ;;
  wheel)
    # Beside the package it finds its own library, and needs no other.
    python=$(python_with setuptools wheel)
    [[ -n $python ]] ||
      { echo "skipped: setuptools or wheel is not installed" && exit; }
    rm -rf "$build/wheel"
    mkdir -p "$build/wheel/source" "$build/wheel/installed"
    cd "$build/wheel/source"
    cp -r "$package"/{baleen,README.md,pyproject.toml,setup.py} .
    "$python" -c "from setuptools import build_meta
build_meta.build_wheel('..')" >"$build/wheel/log" 2>&1 ||
      { cat "$build/wheel/log" && exit 1; }
    cd ..
    file=$(echo baleen-"$VERSION"-py3-none-linux_*.whl)
    [[ -f $file ]] || { echo "the wheel is not of $VERSION: $(ls)" && exit 1; }
    "$python" -m zipfile -e "$file" installed
    [[ -f installed/baleen/libbaleen.so.1 && -f installed/baleen/py.typed ]]
    export BALEEN_INSTALLED=1 PYTHONPATH=$PWD/installed
    unset BALEEN_LIBRARY
    run_scenarios
    ;;
  leaks)
    export PYTHONMALLOC=malloc
    LD_PRELOAD=$BALEEN_LSAN "$PYTHON" "$package/test/leaks.py"
    # It must be able to fail.
    status=0
    report=$(LD_PRELOAD=$BALEEN_LSAN "$PYTHON" "$package/test/leaks.py" \
      forget 2>&1) || status=$?
    ((status == 23)) && [[ $report == *"detected memory leaks"* ]] ||
      { echo "a forgotten context is not reported: $report" && exit 1; }
    ;;
esac
