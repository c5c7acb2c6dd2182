// OpenAI's Agents SDK. It takes the official SDK's clients, so on Azure it has both of theirs.
import * as check from "./steps.mjs";
import { city, step } from "./steps.mjs";
import assert from "node:assert/strict";
import { Agent, MemorySession, OpenAIChatCompletionsModel, OpenAIResponsesModel, run, setTracingDisabled, tool, user } from "@openai/agents";
import OpenAI, { AzureOpenAI } from "openai";
import { z } from "zod";

setTracingDisabled(true);

const plain = (baseURL) => new OpenAI({ baseURL, apiKey: check.KEY, maxRetries: 0 });
const PLACES = [
  { backend: "openai", where: "", client: plain(`${check.ADDRESS}/v1`) },
  {
    backend: "azure",
    where: ", AzureOpenAI",
    client: new AzureOpenAI({ endpoint: check.ADDRESS, apiVersion: check.API_VERSION, apiKey: check.KEY, maxRetries: 0 }),
  },
  { backend: "azure", where: ", /openai/v1", client: plain(`${check.ADDRESS}/openai/v1`) },
];
const MODELS = { chat: OpenAIChatCompletionsModel, responses: OpenAIResponsesModel };

// Two tools, so that the right one has to be chosen; the calls are kept.
function weatherTools() {
  const calls = [];
  const execute = (args) => {
    calls.push(args);
    return JSON.stringify({ temperature: 7, sky: "rain" });
  };
  const tools = [
    tool({ name: "get_time", description: "Tell the time", parameters: z.object({ zone: z.string() }), execute: () => "12:00" }),
    tool({ name: "get_weather", description: "Get the weather in a city", parameters: z.object({ city: z.string() }), execute }),
  ];
  const checkCalls = () => {
    check.checkWeatherCall("get_weather", calls[0]);
    assert.equal(calls.length, 1, `the tool ran ${calls.length} times`);
  };
  return { tools, checkCalls };
}

function checkResult(result) {
  check.checkText(result.finalOutput);
  check.checkCount(result.state.usage.inputTokens, "inputTokens");
  check.checkCount(result.state.usage.outputTokens, "outputTokens");
}

async function streamed(agent, input, options = {}) {
  const result = await run(agent, input, { ...options, stream: true, maxTurns: 5 });
  const texts = [];
  for await (const text of result.toTextStream()) texts.push(text);
  await result.completed;
  return { result, texts };
}

for (const { backend, where, client } of PLACES) {
  for (const [api, Model] of Object.entries(MODELS)) {
    for (const kind of ["chat", "reasoner"]) {
      const on = (name, body) => step(backend, api, (kind === "reasoner" ? "reasoner: " : "") + name + where, body);
      const model = new Model(client, check.MODELS[backend][kind]);
      const create = (settings = {}) => new Agent({ name: "poet", instructions: "You are a poet.", model, ...settings });
      const ask = (agent, input, options = {}) => run(agent, input, { maxTurns: 5, ...options });

      on("plain text", async () => checkResult(await ask(create(), "Say hello.")));

      on("stream", async () => {
        const { result, texts } = await streamed(create(), "Tell a story.");
        check.checkChunks(texts, result.finalOutput);
        checkResult(result);
      });

      on("tool loop", async () => {
        const { tools, checkCalls } = weatherTools();
        const result = await ask(create({ tools }), check.CALL_WEATHER);
        checkCalls();
        checkResult(result);
        assert.equal(result.rawResponses.length, 2);
      });

      on("tool loop, stream", async () => {
        const { tools, checkCalls } = weatherTools();
        const { result, texts } = await streamed(create({ tools }), check.CALL_WEATHER);
        checkCalls();
        check.checkChunks(texts, result.finalOutput);
        checkResult(result);
      });

      for (const toolChoice of ["required", "get_weather"]) {
        on(`tool loop, tool choice ${toolChoice}`, async () => {
          const { tools, checkCalls } = weatherTools();
          checkResult(await ask(create({ tools, modelSettings: { toolChoice } }), check.CALL_WEATHER));
          checkCalls();
        });
      }

      on("handoff", async () => {
        const reporter = create({ name: "reporter" });
        const result = await ask(create({ handoffs: [reporter] }), "Please call transfer_to_reporter.");
        checkResult(result);
        assert.equal(result.lastAgent?.name, "reporter");
      });

      on("structured output", async () => {
        check.checkCity((await ask(create({ outputType: city }), "Describe Oslo.")).finalOutput);
      });

      on("structured output, stream", async () => {
        const { result, texts } = await streamed(create({ outputType: city }), "Describe Oslo.");
        check.checkCity(result.finalOutput);
        assert.deepEqual(JSON.parse(texts.join("")), result.finalOutput);
      });

      on("structured output after a tool loop", async () => {
        const { tools, checkCalls } = weatherTools();
        const result = await ask(create({ tools, outputType: city }), check.CALL_WEATHER);
        checkCalls();
        check.checkCity(result.finalOutput);
      });

      on("second turn", async () => {
        const first = await ask(create(), "Say hello.");
        checkResult(await ask(create(), [...first.history, user("And now goodbye.")]));
      });

      on("second turn after a tool loop, stream", async () => {
        const { tools, checkCalls } = weatherTools();
        const { result: first } = await streamed(create({ tools }), check.CALL_WEATHER);
        const { result, texts } = await streamed(create({ tools }), [...first.history, user("Thank you.")]);
        checkCalls();
        check.checkChunks(texts, result.finalOutput);
      });

      on("second turn, session", async () => {
        const { tools, checkCalls } = weatherTools();
        const session = new MemorySession();
        await ask(create({ tools }), check.CALL_WEATHER, { session });
        checkResult(await ask(create({ tools }), "Thank you.", { session }));
        checkCalls();
      });

      on("image", async () => {
        const image = `data:image/png;base64,${check.PNG}`;
        const content = [{ type: "input_text", text: "Which colour?" }, { type: "input_image", image }];
        checkResult(await ask(create(), [{ role: "user", content }]));
      });

      on("usual settings", async () => {
        const { tools, checkCalls } = weatherTools();
        const usual = { temperature: 0, topP: 0.9, maxTokens: 400, parallelToolCalls: false };
        const modelSettings = kind === "chat" ? usual : { reasoning: { effort: "low" }, text: { verbosity: "low" } };
        checkResult(await ask(create({ tools, modelSettings }), check.CALL_WEATHER));
        checkCalls();
      });

      if (api !== "responses") continue;

      on("second turn, previous_response_id", async () => {
        const { tools, checkCalls } = weatherTools();
        const first = await ask(create({ tools }), check.CALL_WEATHER);
        checkResult(await ask(create({ tools }), "Thank you.", { previousResponseId: first.lastResponseId }));
        checkCalls();
      });

      on("second turn, store false", async () => {
        const { tools, checkCalls } = weatherTools();
        const include = kind === "reasoner" ? { include: ["reasoning.encrypted_content"] } : {};
        const modelSettings = { store: false, providerData: include };
        const first = await ask(create({ tools, modelSettings }), check.CALL_WEATHER);
        checkResult(await ask(create({ tools, modelSettings }), [...first.history, user("Thank you.")]));
        checkCalls();
      });
    }
  }
}

await check.runSteps("@openai/agents");
