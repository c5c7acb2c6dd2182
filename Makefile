# Every target is one line over a Python entry point. Choose an interpreter with PYTHON=…, else the newest suitable one is taken.
SYSTEM_PYTHON := $(shell command -v python3 || command -v python)
SETUP := @$(if $(SYSTEM_PYTHON),,$(error Python 3.11 or newer is needed and there is none on PATH)) $(SYSTEM_PYTHON) tools/setup_environment.py $(if $(PYTHON),--python $(PYTHON))
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN := $(BIN)/python -m
SHARDED = $(if $(SHARD),--group $(word 1,$(subst /, ,$(SHARD))) --splits $(word 2,$(subst /, ,$(SHARD))))

.DEFAULT_GOAL := help
# The tests start hundreds of processes, and each would compile us anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help doctor setup setup-mock mock test test-unit test-integration test-e2e conformance lint fmt local-model package wheel release ci review drift preview sign-in coverage gallery architecture preflight deploy verify destroy lock clean

help:              ## this list
	@grep -E '^[a-z0-9-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/: .*##/\t/' | expand -t 20

doctor:            ## what this machine has and lacks, each lack with its fix
	@$(or $(SYSTEM_PYTHON),$(error Python 3.11 or newer is needed and there is none on PATH)) tools/doctor.py

setup:             ## everything for developing and testing, in .venv and webapp/node_modules
	$(SETUP)

setup-mock:
	$(SETUP) --requirements mock

# Hot: the gate in front of Vite, so that the page follows every edit. The production policy needs the built page.
BUILT := $(or $(BUILT),$(filter direct,$(TOPOLOGY)),$(if $(shell command -v npm),,no npm))
VITE_PORT := $(if $(PORT),$(shell expr $(PORT) + 4),5173)
HOT := --webapp http://localhost:$(VITE_PORT) --config webapp/staticwebapp.config.json --run "npm --prefix webapp run --silent dev -- --port $(VITE_PORT)"

# The page's policy names the one origin it may ask beside its own, so the page is built for it.
mock: export DIRECT_ORIGIN = $(if $(filter direct,$(TOPOLOGY)),http://127.0.0.1:$(if $(PORT),$(shell expr $(PORT) + 3),7072))
mock: setup-mock   ## the whole app on http://127.0.0.1:4280; elsewhere: PORT=5280; the built page under its CSP: BUILT=1; TOPOLOGY=managed or direct; more: ARGS="--speed 4"
	@exec $(RUN) mockserver up --on-miss generate $(if $(BUILT),,$(HOT)) $(if $(TOPOLOGY),--topology $(TOPOLOGY)) $(if $(PORT),--site-port $(PORT) --model-port $$(($(PORT)+1)) --functions-port $$(($(PORT)+2)) --direct-port $$(($(PORT)+3))) $(ARGS)

test: setup        ## all of it
	@$(MAKE) --no-print-directory -j2 lint test-unit && $(MAKE) --no-print-directory test-integration test-e2e

test-unit: setup   ## no socket, no sleep
	@$(RUN) pytest tests/unit --junitxml=test-results/unit.xml $(ARGS) && npm --prefix webapp run --silent test

test-integration: setup  ## real processes on loopback; a part of them: SHARD=1/4
	@$(RUN) pytest tests/integration -n auto --dist loadfile --junitxml=test-results/integration.xml $(SHARDED) $(ARGS)

test-e2e: setup    ## a browser, through the real API; finds or installs one
	@$(RUN:-m=) tools/browser.py && $(RUN) pytest tests/e2e -n auto --junitxml=test-results/e2e.xml --tracing=retain-on-failure $(SHARDED) $(ARGS)

conformance: setup ## the official SDK's own tests, against the mock
	@$(RUN:-m=) tools/conformance.py

lint: setup        ## style and types, of Python and of the page
	@$(RUN) ruff check && $(RUN) ruff format --check && $(RUN) mypy && npm --prefix webapp run --silent check
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --regex-variant nonunicode --data-transform azure-pipelines --builtin-schema vendor.azure-pipelines azure-pipelines.yml
	@$(BIN)/zizmor --offline --pedantic --quiet --no-progress .github

fmt: setup         ## put everything into its one form
	@$(RUN) ruff check --fix-only --quiet; $(RUN) ruff format

local-model: setup-mock  ## a real model on this machine to record from; stop it with: make local-model ARGS=stop
	@$(RUN:-m=) tools/local_model.py $(or $(ARGS),start)

wheel: setup       ## the wheel in dist/release, proved alone in environments of its own, and what it is made of
	@$(RUN:-m=) tools/wheel.py

release: wheel package  ## all that a release has, in dist/release
	@cp dist/api.zip dist/release/

ci: test package wheel  ## exactly what the pipelines run

package: setup     ## the function app as it is deployed, in dist/api.zip, loaded alone on 3.11 and 3.13
	@$(RUN:-m=) tools/package.py

coverage: setup    ## what the tests of the API reach of it, line by line where they do not
	@$(RUN) coverage erase && $(RUN) coverage run -m pytest -q -n 0 tests/unit/test_api.py tests/integration/test_chat_api.py tests/integration/test_chat_api_contract.py tests/integration/test_chat_api_settings.py tests/integration/test_topologies.py tests/integration/test_faults.py $(ARGS)
	@$(RUN) coverage combine -q && $(RUN) coverage report --show-missing

gallery: setup     ## every state of the page in both themes and widths, in test-results/gallery.html
	@$(RUN:-m=) tools/browser.py && $(RUN) pytest tests/e2e/test_states.py -q $(ARGS) && $(RUN:-m=) tools/gallery.py

# What to deploy: ENV=test TOPOLOGY=managed|linked|direct BACKEND=newAzureOpenAI|existingAzureOpenAI|openAI NAME=…
CHOICE = $(if $(ENV),--env $(ENV)) $(if $(TOPOLOGY),--topology $(TOPOLOGY)) $(if $(BACKEND),--backend $(BACKEND)) $(if $(NAME),--name $(NAME))

preflight: setup   ## everything that would keep a deployment from working; nothing is changed
	@$(RUN) infra preflight $(CHOICE) $(ARGS)

deploy: setup      ## to Azure: TOPOLOGY=managed, linked or direct, ENV=test; first what it would do: ARGS=--dry-run
	@$(RUN) infra deploy $(CHOICE) $(ARGS)

verify: setup      ## whether a deployed app works, and what is wrong if not: URL=https://…
	@$(RUN) infra verify $(or $(URL),$(error Say which: make verify URL=https://…)) $(if $(WAIT),--wait $(WAIT)) $(ARGS)

destroy: setup     ## remove an environment: list, ask, delete, purge; ENV=test
	@$(RUN) infra destroy $(if $(ENV),--env $(ENV)) $(ARGS)

preview: setup     ## a pull request's page and functions beside the environment's site: AS=pr12; away with it: ARGS=--remove
	@$(RUN) infra preview --as $(or $(AS),$(error Say which: make preview AS=pr12)) $(if $(ENV),--env $(ENV)) $(ARGS)

sign-in: setup     ## to Azure, in a pipeline of GitHub's, without a secret: AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_SUBSCRIPTION_ID
	@$(RUN) infra sign-in

review: setup      ## what a change did to the cassettes, as Markdown: BASE=origin/main
	@$(RUN:-m=) tools/review.py $(or $(BASE),origin/main)

drift: setup       ## are recordings still true? UPSTREAM=https://… CASSETTES=my-cassettes
	@$(RUN) mockserver drift --upstream $(or $(UPSTREAM),$(error Say which: make drift UPSTREAM=https://…)) $(or $(CASSETTES),mockserver/data/cassettes)

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
architecture: setup  ## draw the picture in ARCHITECTURE.md from the code
	@$(RUN:-m=) tools/architecture.py

lock: setup        ## requirements/ anew from pyproject.toml and api/requirements.txt; newer versions: ARGS=--upgrade
	@$(LOCK) pyproject.toml api/requirements.txt --extra generate -o requirements/mock.txt $(ARGS) > /dev/null
	@$(LOCK) pyproject.toml api/requirements.txt --extra generate --extra dev -o requirements/dev.txt $(ARGS) > /dev/null
	@$(LOCK) --group conformance -o requirements/conformance.txt $(ARGS) > /dev/null

clean:             ## remove everything make made
	rm -rf .venv .cache .local-model dist test-results webapp/node_modules webapp/dist .mypy_cache .pytest_cache .ruff_cache
