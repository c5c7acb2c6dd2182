# Every target starts one Python entry point. PYTHON=… selects an interpreter; the default is the newest suitable one.
SYSTEM_PYTHON := $(shell command -v python3 || command -v python)
SETUP := @$(if $(SYSTEM_PYTHON),,$(error Python 3.11 or newer is required but is not on PATH)) $(SYSTEM_PYTHON) tools/setup_environment.py $(if $(PYTHON),--python $(PYTHON))
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN := $(BIN)/python -m
SHARDED = $(if $(SHARD),--group $(word 1,$(subst /, ,$(SHARD))) --splits $(word 2,$(subst /, ,$(SHARD))))

.DEFAULT_GOAL := help
# The tests start hundreds of processes; without cached bytecode each would compile our code again.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help doctor setup setup-mock mock record test test-unit test-integration test-e2e test-slow browsers fuzz fuzz-gate mutants conformance clients azure bench figures load lint fmt local-model package wheel release ci review drift preview sign-in coverage verdict gallery architecture schemas preflight deploy verify destroy lock clean

help:              ## list the targets
	@grep -E '^[a-z0-9-]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/: .*##/\t/' | expand -t 20

doctor:            ## check this machine, and show how to install what is missing
	@$(or $(SYSTEM_PYTHON),$(error Python 3.11 or newer is required but is not on PATH)) tools/doctor.py

setup:             ## install everything for development and tests, in .venv and webapp/node_modules
	$(SETUP)

setup-mock:
	$(SETUP) --requirements mock

# HOT: the gate in front of Vite, so that every edit of the page shows at once. The production policy needs the built page.
BUILT := $(or $(BUILT),$(filter direct,$(TOPOLOGY)),$(if $(shell command -v npm),,no npm))
VITE_PORT := $(if $(PORT),$(shell expr $(PORT) + 4),5173)
HOT := --webapp http://localhost:$(VITE_PORT) --config webapp/staticwebapp.config.json --run "npm --prefix webapp run --silent dev -- --port $(VITE_PORT)"

# The page's policy contains the one other origin that it may send requests to, so the page is built for it.
mock record: export DIRECT_ORIGIN = $(if $(filter direct,$(TOPOLOGY)),http://127.0.0.1:$(if $(PORT),$(shell expr $(PORT) + 3),7072))
mock: setup-mock   ## run the whole app on http://127.0.0.1:4280; other port: PORT=5280; built page with its CSP: BUILT=1; TOPOLOGY=managed or direct; more options: ARGS="--speed 4"
	@exec $(RUN) mockserver up --on-miss generate $(if $(BUILT),,$(HOT)) $(if $(TOPOLOGY),--topology $(TOPOLOGY)) $(if $(PORT),--site-port $(PORT) --model-port $$(($(PORT)+1)) --functions-port $$(($(PORT)+2)) --direct-port $$(($(PORT)+3))) $(ARGS)

record: setup-mock ## run the whole app and record what the model answers: UPSTREAM=https://…, into CASSETTES=recordings; the other options of mock
	@exec $(RUN) mockserver up --on-miss record --upstream $(or $(UPSTREAM),$(error required: make record UPSTREAM=https://api.openai.com/v1)) --cassettes $(or $(CASSETTES),recordings) $(if $(BUILT),,$(HOT)) $(if $(TOPOLOGY),--topology $(TOPOLOGY)) $(if $(PORT),--site-port $(PORT) --model-port $$(($(PORT)+1)) --functions-port $$(($(PORT)+2)) --direct-port $$(($(PORT)+3))) $(ARGS)

test: setup        ## all checks and tests
	@$(MAKE) --no-print-directory -j2 lint test-unit && $(MAKE) --no-print-directory -j2 test-integration test-e2e

test-unit: setup   ## unit tests: no sockets, no waiting
	@$(RUN) pytest tests/unit -n auto --junitxml=test-results/unit.xml $(ARGS) && npm --prefix webapp run --silent test

test-integration: setup  ## integration tests: real processes on loopback; a part of them: SHARD=1/4
	@$(RUN:-m=) tools/redis_server.py && $(RUN:-m=) tools/azurite.py && $(RUN) pytest tests/integration -n auto --dist loadfile --junitxml=test-results/integration.xml $(SHARDED) $(ARGS)

test-e2e: setup    ## browser tests, through the real API; finds or installs a browser
	@$(RUN:-m=) tools/browser.py && $(RUN) pytest tests/e2e -n auto --junitxml=test-results/e2e.xml --tracing=retain-on-failure $(SHARDED) $(ARGS)

test-slow: setup   ## the tests that make test leaves out, because they take long: weekly, in about 10 minutes
	@$(RUN:-m=) tools/redis_server.py && $(RUN:-m=) tools/azurite.py && $(RUN:-m=) tools/browser.py && $(RUN) pytest tests/unit tests/integration tests/e2e -m slow -n auto --dist loadfile --junitxml=test-results/slow.xml $(ARGS)

browsers: setup    ## the page's core flows in Firefox and in WebKit; finds or installs them; one: ENGINE=webkit; some: ARGS="-k scroll"; Playwright's own: DOWNLOAD=1
	@packages="$$($(RUN:-m=) tools/browsers.py $(ENGINE) $(if $(DOWNLOAD),--download))" && PYTHONPATH="$$packages" $(RUN) pytest tests/browsers -n auto --timeout=180 --junitxml=test-results/browsers.xml $(if $(ENGINE),--engine $(ENGINE)) $(ARGS)

fuzz: setup        ## look for secrets that are written, for texts that break redaction, and for odd input that stops the mock: EXAMPLES=20000 INPUTS=20000
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),20000) $(RUN) pytest tests/unit/test_redaction_generated.py -n 0 --timeout=0 -q
	@$(RUN:-m=) tools/fuzz_ports.py $(or $(INPUTS),20000) $(SEED)

fuzz-gate: setup   ## look for a way past the gate with odd bytes on raw connections: EXCHANGES=100000
	@$(RUN:-m=) tools/wire_fuzz.py $(or $(EXCHANGES),100000) $(SEED)

mutants: setup     ## change one thing at a time in the code that guards something, and list what no test notices: AREA=gate SAMPLE=50 SEED=2 JOBS=2
	@$(RUN:-m=) tools/mutants.py $(AREA) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS))

conformance: setup ## run the official SDK's own tests against the mock; those of Microsoft's Python worker, from a checkout, against the Functions host: WORKER_TESTS=DIR
	@$(RUN:-m=) $(if $(WORKER_TESTS),tools/worker_tests.py $(WORKER_TESTS) $(ARGS),tools/conformance.py)

clients: setup     ## run independent client libraries of JavaScript and Python against the mock; some: ARGS=python/litellm; write docs/clients.md: ARGS=--write
	@$(RUN:-m=) tools/clients.py $(ARGS)

azure: setup       ## deploy, verify, preview and destroy with Azure's own tools, and walk both pipelines, against a fake of Azure's endpoints; some: ARGS="-k linked"
	@$(RUN:-m=) tools/azure_tools.py && $(RUN) pytest tests/azure -n auto --timeout=900 $(ARGS)

bench: setup       ## what requests, streams and the start cost, as ratios to a bare server in the same run: STREAMS=1000
	@$(RUN:-m=) tools/bench.py $(STREAMS)

figures: setup     ## what the page costs with nothing kept and with 1,000 chats, as ratios in one run: ROUNDS=3
	@$(RUN:-m=) tools/browser.py && $(RUN:-m=) tools/page_figures.py $(ROUNDS) $(ARGS)

load: setup        ## people at the app, by Locust, with a report and a verdict: USERS=200 WORKERS=2 SECONDS=60; at another: URL=http://127.0.0.1:4280; two hosts: ARGS="--instances 2"
	@$(RUN:-m=) tools/load.py $(or $(USERS),200) $(if $(WORKERS),--workers $(WORKERS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(URL),--url $(URL)) $(ARGS)

lint: setup        ## check style and types of Python and of the page
	@$(RUN) ruff check && $(RUN) ruff format --check && $(RUN) mypy && $(BIN)/basedpyright --level error && npm --prefix webapp run --silent check && webapp/node_modules/.bin/tsc -p examples/playwright && webapp/node_modules/.bin/tsc -p packages/dress-rehearsal-playwright
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@# The published schema of 2026-08-20 names UseNode@1, but knows the inputs of its predecessor alone.
	@sed 's/UseNode@1/NodeTool@0/; s/{ version: /{ versionSpec: /' azure-pipelines.yml | $(BIN)/check-jsonschema --quiet --regex-variant nonunicode --data-transform azure-pipelines --default-filetype yaml --builtin-schema vendor.azure-pipelines -
	@$(BIN)/zizmor --offline --pedantic --quiet --no-progress .github

fmt: setup         ## format the code of Python and of the page, and fix what the linters can fix
	@$(RUN) ruff check --fix-only --quiet; $(RUN) ruff format; npm --prefix webapp run --silent format

local-model: setup-mock  ## run a real model on this machine to record from; stop it: make local-model ARGS=stop
	@$(RUN:-m=) tools/local_model.py $(or $(ARGS),start)

wheel: setup       ## build the wheel in dist/release, check it in its own environments, and list its components
	@$(RUN:-m=) tools/wheel.py

release: wheel package  ## build everything for a release, in dist/release
	@cp dist/api.zip dist/release/

ci: test package wheel  ## run exactly what the pipelines run

package: setup     ## pack the function app for deployment in dist/api.zip, and check that it loads on Python 3.11 and 3.13
	@$(RUN:-m=) tools/package.py

verdict: setup     ## every fault against the SDK, the API and the page: what each does wrong, in test-results/verdict; some: ARGS="--fault dropped"
	@BROWSER_PATH="$$($(RUN:-m=) tools/browser.py --print)" $(RUN) mockserver verdict $(ARGS)

coverage: setup    ## measure how much of the API its tests cover; list the lines they do not
	@$(RUN) coverage erase && $(RUN) coverage run -m pytest -q -n 0 tests/unit/test_api.py tests/integration/test_chat_api.py tests/integration/test_chat_api_contract.py tests/integration/test_chat_api_settings.py tests/integration/test_topologies.py tests/integration/test_faults.py $(ARGS)
	@$(RUN) coverage combine -q && $(RUN) coverage report --show-missing

gallery: setup     ## show every state of the page, in both themes and widths, in test-results/gallery.html
	@$(RUN:-m=) tools/browser.py && PICTURES=1 $(RUN) pytest tests/e2e/test_states.py -q $(ARGS) && $(RUN:-m=) tools/gallery.py

# What to deploy: ENV=test TOPOLOGY=managed|linked|direct BACKEND=newAzureOpenAI|existingAzureOpenAI|openAI NAME=…
CHOICE = $(if $(ENV),--env $(ENV)) $(if $(TOPOLOGY),--topology $(TOPOLOGY)) $(if $(BACKEND),--backend $(BACKEND)) $(if $(NAME),--name $(NAME))

preflight: setup   ## check everything that could make a deployment fail; nothing is changed
	@$(RUN) mockserver site --check --config webapp/staticwebapp.config.json
	@$(RUN) infra preflight $(CHOICE) $(ARGS)

deploy: setup      ## deploy to Azure: TOPOLOGY=managed, linked or direct, ENV=test; only show what it would do: ARGS=--dry-run
	@$(RUN) infra deploy $(CHOICE) $(ARGS)

verify: setup      ## check a deployed app, and name the problem and its fix: URL=https://…
	@$(RUN) infra verify $(or $(URL),$(error required: make verify URL=https://…)) $(if $(WAIT),--wait $(WAIT)) $(ARGS)

destroy: setup     ## remove an environment: list, ask, delete, purge; ENV=test
	@$(RUN) infra destroy $(if $(ENV),--env $(ENV)) $(ARGS)

preview: setup     ## deploy a pull request's page and functions beside an environment's site: AS=pr12; remove it: ARGS=--remove
	@$(RUN) infra preview --as $(or $(AS),$(error required: make preview AS=pr12)) $(if $(ENV),--env $(ENV)) $(ARGS)

sign-in: setup     ## sign in to Azure from a GitHub workflow, without a secret: AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_SUBSCRIPTION_ID
	@$(RUN) infra sign-in

review: setup      ## show how the bundled cassettes changed, as Markdown: BASE=origin/main
	@$(RUN:-m=) tools/review.py $(or $(BASE),origin/main)

drift: setup       ## check that recordings are still true: UPSTREAM=https://… CASSETTES=my-cassettes
	@$(RUN) mockserver drift --upstream $(or $(UPSTREAM),$(error required: make drift UPSTREAM=https://…)) $(or $(CASSETTES),mockserver/data/cassettes)

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
architecture: setup  ## draw the picture in ARCHITECTURE.md from the code
	@$(RUN:-m=) tools/architecture.py

schemas: setup     ## write the JSON Schemas that editors read
	@for kind in cassette personas scenario states; do $(RUN) mockserver schema $$kind > mockserver/data/schemas/$$kind.schema.json; done

.PHONY: deployments
deployments: setup ## write what each combination of topology and backend creates in Azure, to review as a diff
	@$(RUN) infra expected

lock: setup        ## lock requirements/ from pyproject.toml and api/requirements.txt, and the libraries of make clients; newer versions: ARGS=--upgrade
	@$(LOCK) pyproject.toml api/requirements.txt --extra generate --extra redis -o requirements/mock.txt $(ARGS) > /dev/null
	@$(LOCK) pyproject.toml api/requirements.txt --extra generate --extra dev -o requirements/dev.txt $(ARGS) > /dev/null
	@for group in conformance load worker-tests azure browsers; do $(LOCK) --group $$group -o requirements/$$group.txt $(ARGS) > /dev/null || exit 1; done
	@for pins in tests/clients/python/*.in; do $(LOCK) $$pins -o $${pins%.in}.txt $(ARGS) > /dev/null || exit 1; done

clean:             ## delete everything that make created
	rm -rf .venv .cache .local-model dist test-results webapp/node_modules webapp/dist .mypy_cache .pytest_cache .ruff_cache
