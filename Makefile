# The face of freeway. Each target installs what is missing first and is quick when
# nothing changed.
.PHONY: run test build check bench clean setup engine up down

run: build engine .env
	@build/freeway build --config config --env .env --out config.yaml
	@build/freeway pull --config config.yaml
	@exec build/freeway serve --config config.yaml

test: build engine
	@dev/test

build: setup
	@dev/build

check: build
	@dev/check

bench: build
	@bench/run

up: .env
	@dev/compose up

down:
	@dev/compose down

setup:
	@dev/setup

engine:
	@dev/engine-if-wanted

.env:
	@cp .env.example .env && echo "made .env from .env.example: flags and keys go there"

clean:
	rm -rf build build-dev build-tsan build-fuzz config.yaml tests/node_modules
