// LangChain.js. On Azure it has two ways: AzureChatOpenAI with a dated api-version, and ChatOpenAI with /openai/v1 as its
// base address. AzureChatOpenAI has no way to Responses: it asks /openai/deployments/…/responses, which Azure does not have.
import * as check from "./steps.mjs";
import { city, step } from "./steps.mjs";
import assert from "node:assert/strict";
import { AIMessageChunk, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { AzureChatOpenAI, AzureOpenAIEmbeddings, ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";

const V1 = { openai: `${check.ADDRESS}/v1`, azure: `${check.ADDRESS}/openai/v1` };
const plain = (backend, own) => (kind, settings) =>
  new ChatOpenAI({ model: check.MODELS[backend][kind], apiKey: check.KEY, maxRetries: 0, configuration: { baseURL: V1[backend] }, ...own, ...settings });

// Without a model's name LangChain takes the deployment for gpt-3.5-turbo and refuses JSON Schema by itself.
const azure = (own) => (kind, settings) =>
  new AzureChatOpenAI({
    ...own(kind),
    azureOpenAIApiKey: check.KEY,
    azureOpenAIEndpoint: check.ADDRESS,
    azureOpenAIApiDeploymentName: check.MODELS.azure[kind],
    azureOpenAIApiVersion: check.API_VERSION,
    maxRetries: 0,
    ...settings,
  });

const COMBINATIONS = [
  { backend: "openai", api: "chat", where: "", create: plain("openai", {}) },
  { backend: "openai", api: "responses", where: "", create: plain("openai", { useResponsesApi: true }) },
  { backend: "openai", api: "responses", where: ", output v1", create: plain("openai", { useResponsesApi: true, outputVersion: "v1" }) },
  { backend: "azure", api: "chat", where: ", AzureChatOpenAI", withoutSchema: true, create: azure(() => ({})) },
  { backend: "azure", api: "chat", where: ", AzureChatOpenAI with model", create: azure((kind) => ({ model: check.MODELS.openai[kind] })) },
  { backend: "azure", api: "chat", where: ", /openai/v1", create: plain("azure", {}) },
  { backend: "azure", api: "responses", where: ", /openai/v1", create: plain("azure", { useResponsesApi: true }) },
];

// Two tools, so that the right one has to be chosen; the calls are kept.
function weatherTools() {
  const calls = [];
  const answer = (args) => {
    calls.push(args);
    return JSON.stringify({ temperature: 7, sky: "rain" });
  };
  const tools = [
    tool(() => "12:00", { name: "get_time", description: "Tell the time", schema: z.object({ zone: z.string() }) }),
    tool(answer, { name: "get_weather", description: "Get the weather in a city", schema: z.object({ city: z.string() }) }),
  ];
  return { tools, calls };
}

function checkAnswer(message) {
  check.checkText(message.text);
  check.checkCount(message.usage_metadata?.input_tokens, "input_tokens");
  check.checkCount(message.usage_metadata?.output_tokens, "output_tokens");
}

async function streamed(model, input, options) {
  let whole = null;
  const texts = [];
  for await (const chunk of await model.stream(input, options)) {
    assert.ok(chunk instanceof AIMessageChunk, "a chunk is not a message");
    if (chunk.text !== "") texts.push(chunk.text);
    whole = whole === null ? chunk : whole.concat(chunk);
  }
  return { whole, texts };
}

// LangChain's loop as its documentation writes it: the model with tools, each call executed, the results back.
async function toolLoop(model, { tools, calls }, messages, ask = (bound, input) => bound.invoke(input)) {
  const bound = model.bindTools(tools);
  const first = await ask(bound, messages);
  assert.deepEqual(first.invalid_tool_calls ?? [], [], "LangChain found a call invalid");
  check.checkWeatherCall(first.tool_calls[0]?.name, first.tool_calls[0]?.args);
  messages.push(first);
  for (const call of first.tool_calls) {
    const result = await tools.find(({ name }) => name === call.name).invoke(call);
    assert.ok(result instanceof ToolMessage, "the tool gave no message");
    messages.push(result);
  }
  const second = await ask(bound, messages);
  assert.equal(calls.length, 1, `the tool ran ${calls.length} times`);
  checkAnswer(second);
  messages.push(second);
  return bound;
}

for (const { backend, api, where, withoutSchema, create } of COMBINATIONS) {
  const isResponses = api === "responses";
  for (const kind of ["chat", "reasoner"]) {
    const on = (name, run) => step(backend, api, (kind === "reasoner" ? "reasoner: " : "") + name + where, run);
    const model = create(kind, {});

    on("plain text", async () => checkAnswer(await model.invoke("Say hello.")));

    on("stream", async () => {
      const { whole, texts } = await streamed(model, "Tell a story.");
      check.checkChunks(texts, whole.text);
      checkAnswer(whole);
    });

    // In chat completions LangChain would fetch a tokenizer from the internet for this, although the usage is in the stream.
    if (isResponses) {
      on("stream that invoke collects", async () => checkAnswer(await create(kind, { streaming: true }).invoke("Tell a story.")));
    }

    on("tool loop", async () => toolLoop(model, weatherTools(), [new HumanMessage(check.CALL_WEATHER)]));

    on("tool loop, stream", async () => {
      const ask = async (bound, input) => (await streamed(bound, input)).whole;
      await toolLoop(model, weatherTools(), [new HumanMessage(check.CALL_WEATHER)], ask);
    });

    on("tool loop, strict tools", async () => {
      await toolLoop(create(kind, { supportsStrictToolCalling: true }), weatherTools(), [new HumanMessage(check.CALL_WEATHER)]);
    });

    on("tool loop, prompt in two parts", async () => {
      const content = [{ type: "text", text: "It is autumn." }, { type: "text", text: check.CALL_WEATHER }];
      await toolLoop(model, weatherTools(), [new HumanMessage({ content })]);
    });

    // For Responses LangChain drops every tool choice that is a word, so "any" is for chat completions only.
    for (const choice of isResponses ? ["get_weather"] : ["any", "get_weather"]) {
      on(`tool choice ${choice}`, async () => {
        const [, weather] = weatherTools().tools;
        const message = await model.bindTools([weather], { tool_choice: choice }).invoke("Hello.");
        check.checkWeatherCall(message.tool_calls[0]?.name, message.tool_calls[0]?.args);
      });
    }

    for (const method of [undefined, "jsonSchema", "functionCalling", "jsonMode"]) {
      if (method === "jsonSchema" && withoutSchema) continue;
      on(`structured output, ${method ?? "default"}`, async () => {
        // JSON mode knows no schema and the real service asks for the word JSON.
        const schema = method === "jsonMode" ? z.record(z.string(), z.unknown()) : city;
        const answer = await model.withStructuredOutput(schema, { name: "city", method }).invoke("Describe Oslo as JSON.");
        if (method === "jsonMode") assert.equal(typeof answer, "object");
        else check.checkCity(answer);
      });
    }

    on("structured output, raw too", async () => {
      const answer = await model.withStructuredOutput(city, { name: "city", includeRaw: true }).invoke("Describe Oslo.");
      check.checkCity(answer.parsed);
      assert.ok(answer.raw.usage_metadata.output_tokens > 0);
    });

    if (!withoutSchema) {
      on("structured output, strict", async () => {
        check.checkCity(await model.withStructuredOutput(city, { name: "city", method: "jsonSchema", strict: true }).invoke("Describe Oslo."));
      });

      on("structured output, stream", async () => {
        const parts = [];
        // Only a plain JSON schema is streamed; zod's own object would be recognised and parsed as a whole.
        const schema = JSON.parse(JSON.stringify(z.toJSONSchema(city)));
        const pipeline = model.withStructuredOutput(schema, { name: "city", method: "jsonSchema" });
        for await (const part of await pipeline.stream("Describe Oslo.")) parts.push(part);
        assert.ok(parts.length > 1, `the stream had ${parts.length} object(s)`);
        check.checkCity(parts.at(-1));
      });
    }

    on("second turn", async () => {
      const messages = [new HumanMessage("Say hello.")];
      messages.push(await model.invoke(messages), new HumanMessage("And now goodbye."));
      checkAnswer(await model.invoke(messages));
    });

    on("second turn after a stream", async () => {
      const messages = [new HumanMessage("Say hello.")];
      messages.push((await streamed(model, messages)).whole, new HumanMessage("And now goodbye."));
      checkAnswer(await model.invoke(messages));
    });

    on("second turn after a tool loop", async () => {
      const messages = [new HumanMessage(check.CALL_WEATHER)];
      const bound = await toolLoop(model, weatherTools(), messages);
      checkAnswer(await bound.invoke([...messages, new HumanMessage("Thank you.")]));
    });

    on("second turn, plain tuples", async () => {
      checkAnswer(await model.invoke([["human", "Say hello."], ["ai", "Hello!"], ["human", "And now goodbye."]]));
    });

    on("image, image_url part", async () => {
      const url = `data:image/png;base64,${check.PNG}`;
      const content = [{ type: "text", text: "Which colour?" }, { type: "image_url", image_url: { url } }];
      checkAnswer(await model.invoke([new HumanMessage({ content })]));
    });

    on("image, standard block", async () => {
      const contentBlocks = [{ type: "text", text: "Which colour?" }, { type: "image", mimeType: "image/png", data: check.PNG }];
      checkAnswer(await model.invoke([new HumanMessage({ contentBlocks })]));
    });

    on("several text parts", async () => {
      const content = [{ type: "text", text: "Say hello." }, { type: "text", text: "Then say goodbye." }];
      checkAnswer(await model.invoke([new HumanMessage({ content })]));
    });

    on("system message", async () => {
      checkAnswer(await model.invoke([new SystemMessage("You are a poet."), new HumanMessage("Say hello.")]));
    });
  }

  const on = (name, run) => step(backend, api, name + where, run);

  on("usual settings", async () => {
    const own = isResponses ? {} : { stop: ["\n\n\n\n"], frequencyPenalty: 0.1, presencePenalty: 0.1 };
    checkAnswer(await create("chat", { temperature: 0, topP: 0.9, maxTokens: 400, user: "somebody", ...own }).invoke("Say hello."));
  });

  on("reasoner: usual settings", async () => {
    checkAnswer(await create("reasoner", { reasoning: { effort: "low" } }).invoke("Say hello."));
  });

  on("reasoner: reasoning tokens counted", async () => {
    const { usage_metadata: usage } = await create("reasoner", { reasoning: { effort: "high" } }).invoke("Prove that 97 is prime.");
    check.checkCount(usage.output_token_details?.reasoning, "the reasoning's tokens");
  });

  if (!isResponses) continue;

  on("second turn, previous_response_id", async () => {
    const model = create("chat", {});
    const first = await model.invoke("Say hello.");
    check.checkText(first.response_metadata.id);
    checkAnswer(await model.invoke("And now goodbye.", { previous_response_id: first.response_metadata.id }));
  });

  // LangChain knows a reasoning model by its name; for a deployment called otherwise it leaves the options out.
  if (backend === "azure") continue;

  on("reasoner: summary option", async () => {
    const message = await create("reasoner", { reasoning: { effort: "high", summary: "detailed" } }).invoke("Prove that 97 is prime.");
    checkAnswer(message);
    const block = message.contentBlocks.find(({ type }) => type === "reasoning");
    check.checkText(block?.reasoning);
  });

  on("reasoner: summary option, stream", async () => {
    const { whole } = await streamed(create("reasoner", { reasoning: { effort: "high", summary: "detailed" } }), "Prove that 97 is prime.");
    checkAnswer(whole);
    const block = whole.contentBlocks.find(({ type }) => type === "reasoning");
    check.checkText(block?.reasoning);
  });

  on("reasoner: second turn, nothing stored", async () => {
    const model = create("reasoner", { zdrEnabled: true, reasoning: { effort: "low" } });
    const include = ["reasoning.encrypted_content"];
    const messages = [new HumanMessage("Prove that 97 is prime.")];
    messages.push(await model.invoke(messages, { include }), new HumanMessage("And 91?"));
    checkAnswer(await model.invoke(messages, { include }));
  });

  on("reasoner: tool loop, nothing stored", async () => {
    const model = create("reasoner", { zdrEnabled: true, reasoning: { effort: "low" }, modelKwargs: { include: ["reasoning.encrypted_content"] } });
    await toolLoop(model, weatherTools(), [new HumanMessage(check.CALL_WEATHER)]);
  });
}

const EMBEDDINGS = [
  { backend: "openai", where: "", create: (own) => new OpenAIEmbeddings({ model: check.MODELS.openai.emb, apiKey: check.KEY, configuration: { baseURL: V1.openai }, ...own }) },
  { backend: "azure", where: ", /openai/v1", create: (own) => new OpenAIEmbeddings({ model: check.MODELS.azure.emb, apiKey: check.KEY, configuration: { baseURL: V1.azure }, ...own }) },
  {
    // Its own `azureOpenAIEndpoint` is ignored for embeddings, so the base path is given.
    backend: "azure",
    where: ", AzureOpenAIEmbeddings",
    create: (own) =>
      new AzureOpenAIEmbeddings({
        azureOpenAIApiKey: check.KEY,
        azureOpenAIBasePath: `${check.ADDRESS}/openai/deployments`,
        azureOpenAIApiEmbeddingsDeploymentName: check.MODELS.azure.emb,
        azureOpenAIApiVersion: check.API_VERSION,
        ...own,
      }),
  },
];

for (const { backend, where, create } of EMBEDDINGS) {
  const on = (name, run) => step(backend, "embeddings", name + where, run);

  on("one", async () => check.checkVectors([await create({ maxRetries: 0 }).embedQuery("hello")], 1));

  on("batch", async () => check.checkVectors(await create({ maxRetries: 0 }).embedDocuments(["sun", "rain", "snow"]), 3));

  on("batch, dimensions", async () => {
    check.checkVectors(await create({ maxRetries: 0, dimensions: 256 }).embedDocuments(["sun", "rain"]), 2, 256);
  });

  on("batches of one", async () => {
    check.checkVectors(await create({ maxRetries: 0, batchSize: 1 }).embedDocuments(["sun", "rain"]), 2);
  });
}

await check.runSteps("@langchain/openai");
