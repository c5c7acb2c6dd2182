// openai-node: OpenAI, AzureOpenAI with a dated api-version, and OpenAI at Azure's /openai/v1.
import * as check from "./steps.mjs";
import { city, step } from "./steps.mjs";
import assert from "node:assert/strict";
import OpenAI, { AzureOpenAI } from "openai";
import { ResponsesToolRunner, runnerFunction } from "openai/helpers/responses-tool-runner";
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const common = { apiKey: check.KEY, maxRetries: 0 };
const dated = (deployment) => new AzureOpenAI({ ...common, endpoint: check.ADDRESS, apiVersion: check.API_VERSION, deployment });
const CLIENTS = [
  { backend: "openai", where: "", client: new OpenAI({ ...common, baseURL: `${check.ADDRESS}/v1` }) },
  { backend: "azure", where: ", AzureOpenAI", client: dated() },
  { backend: "azure", where: ", /openai/v1", client: new OpenAI({ ...common, baseURL: `${check.ADDRESS}/openai/v1` }) },
];

const place = z.object({ city: z.string().describe("a city") });
const zone = z.object({ zone: z.string() });
const IMAGE_URL = `data:image/png;base64,${check.PNG}`;
const answerWeather = () => JSON.stringify({ temperature: 7, sky: "rain" });

async function collected(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

function checkChat(completion, finish = "stop") {
  const [choice] = completion.choices;
  check.checkText(choice.message.content);
  assert.equal(choice.finish_reason, finish);
  check.checkCount(completion.usage.prompt_tokens, "prompt_tokens");
  check.checkCount(completion.usage.completion_tokens, "completion_tokens");
}

function checkResponse(response) {
  check.checkText(response.output_text);
  assert.equal(response.status, "completed");
  check.checkCount(response.usage.input_tokens, "input_tokens");
  check.checkCount(response.usage.output_tokens, "output_tokens");
}

// Two functions, so that the right one has to be chosen; the calls are kept.
function chatTools() {
  const calls = [];
  const tools = [
    zodFunction({ name: "get_time", description: "Tell the time", parameters: zone, function: () => "12:00" }),
    zodFunction({
      name: "get_weather",
      description: "Get the weather in a city",
      parameters: place,
      function: (args) => {
        calls.push(args);
        return answerWeather();
      },
    }),
  ];
  return { tools, calls };
}

const responsesTools = [
  zodResponsesFunction({ name: "get_time", description: "Tell the time", parameters: zone }),
  zodResponsesFunction({ name: "get_weather", description: "Get the weather in a city", parameters: place }),
];

// The loop that the documentation shows: the output goes back item by item, then the call's output.
async function responsesLoop(client, settings) {
  const input = [{ role: "user", content: check.CALL_WEATHER }];
  const first = await client.responses.parse({ ...settings, tools: responsesTools, input });
  const call = first.output.find((item) => item.type === "function_call");
  check.checkWeatherCall(call?.name, call?.parsed_arguments);
  input.push(...first.output, { type: "function_call_output", call_id: call.call_id, output: answerWeather() });
  const second = await client.responses.create({ ...settings, tools: responsesTools, input });
  checkResponse(second);
  return { input, first, second };
}

for (const { backend, where, client } of CLIENTS) {
  const models = check.MODELS[backend];
  const on = (api, name, run) => step(backend, api, name + where, run);
  const user = (content) => ({ role: "user", content });

  // Chat completions, for the chat model and the reasoning model.

  const chat = (model, name, run) => on("chat", model === models.reasoner ? `reasoner: ${name}` : name, run);
  for (const model of [models.chat, models.reasoner]) {
    const create = (body) => client.chat.completions.create({ model, ...body });

    chat(model, "plain text", async () => checkChat(await create({ messages: [user("Say hello.")] })));

    chat(model, "stream", async () => {
      const chunks = await collected(await create({ messages: [user("Tell a story.")], stream: true }));
      const texts = chunks.map((chunk) => chunk.choices[0]?.delta?.content).filter(Boolean);
      check.checkChunks(texts, texts.join(""));
      assert.ok(chunks.some((chunk) => chunk.choices[0]?.finish_reason === "stop"), "nothing says that it stopped");
    });

    chat(model, "stream with usage", async () => {
      const body = { messages: [user("Tell a story.")], stream: true, stream_options: { include_usage: true } };
      const chunks = await collected(await create(body));
      check.checkCount(chunks.at(-1).usage?.completion_tokens, "completion_tokens");
    });

    chat(model, "stream helper", async () => {
      const runner = client.chat.completions.stream({ model, messages: [user("Tell a story.")], stream_options: { include_usage: true } });
      const texts = [];
      runner.on("content", (delta) => texts.push(delta));
      checkChat(await runner.finalChatCompletion());
      check.checkChunks(texts.filter(Boolean), await runner.finalContent());
    });

    chat(model, "tool loop", async () => {
      const { tools, calls } = chatTools();
      const runner = client.chat.completions.runTools({ model, messages: [user(check.CALL_WEATHER)], tools });
      check.checkText(await runner.finalContent());
      const [call] = runner.messages.flatMap((message) => message.tool_calls ?? []);
      check.checkWeatherCall(call?.function.name, calls[0]);
      assert.equal(calls.length, 1);
    });

    chat(model, "tool loop, stream", async () => {
      const { tools, calls } = chatTools();
      const runner = client.chat.completions.runTools({ model, messages: [user(check.CALL_WEATHER)], tools, stream: true });
      check.checkText(await runner.finalContent());
      check.checkWeatherCall("get_weather", calls[0]);
      assert.equal(calls.length, 1);
    });

    chat(model, "tool call by hand", async () => {
      const tools = [{ type: "function", function: { name: "get_weather", parameters: z.toJSONSchema(place) } }];
      const messages = [user(check.CALL_WEATHER)];
      const first = await create({ messages, tools });
      const [call] = first.choices[0].message.tool_calls;
      assert.equal(first.choices[0].finish_reason, "tool_calls");
      check.checkWeatherCall(call.function.name, JSON.parse(call.function.arguments));
      messages.push(first.choices[0].message, { role: "tool", tool_call_id: call.id, content: answerWeather() });
      checkChat(await create({ messages, tools }));
    });

    chat(model, "structured output", async () => {
      const body = { model, messages: [user("Describe Oslo.")], response_format: zodResponseFormat(city, "city") };
      const completion = await client.chat.completions.parse(body);
      check.checkCity(completion.choices[0].message.parsed);
    });

    chat(model, "structured output, stream", async () => {
      const body = { model, messages: [user("Describe Oslo.")], response_format: zodResponseFormat(city, "city") };
      const runner = client.chat.completions.stream(body);
      const deltas = [];
      runner.on("content.delta", ({ delta }) => deltas.push(delta));
      const completion = await runner.finalChatCompletion();
      check.checkCity(completion.choices[0].message.parsed);
      check.checkChunks(deltas, completion.choices[0].message.content);
    });

    chat(model, "structured output after a tool loop", async () => {
      const { tools, calls } = chatTools();
      const body = { model, messages: [user(check.CALL_WEATHER)], tools, response_format: zodResponseFormat(city, "city") };
      const runner = client.chat.completions.runTools(body);
      check.checkCity((await runner.finalChatCompletion()).choices[0].message.parsed);
      assert.equal(calls.length, 1);
    });

    chat(model, "second turn", async () => {
      const messages = [user("Say hello.")];
      const first = await create({ messages });
      messages.push(first.choices[0].message, user("And now goodbye."));
      checkChat(await create({ messages }));
    });

    chat(model, "second turn after a tool loop", async () => {
      const { tools } = chatTools();
      const runner = client.chat.completions.runTools({ model, messages: [user(check.CALL_WEATHER)], tools });
      await runner.done();
      assert.equal(runner.messages.length, 4);
      checkChat(await create({ messages: [...runner.messages, user("Thank you.")] }));
    });

    chat(model, "image", async () => {
      const content = [{ type: "text", text: "Which colour?" }, { type: "image_url", image_url: { url: IMAGE_URL } }];
      checkChat(await create({ messages: [user(content)] }));
    });

    chat(model, "several text parts", async () => {
      const content = [{ type: "text", text: "Say hello." }, { type: "text", text: "Then say goodbye." }];
      checkChat(await create({ messages: [user(content)] }));
    });

    chat(model, "tool call, prompt in two parts", async () => {
      const { tools, calls } = chatTools();
      const content = [{ type: "text", text: "It is autumn." }, { type: "text", text: check.CALL_WEATHER }];
      await client.chat.completions.runTools({ model, messages: [user(content)], tools }).done();
      check.checkWeatherCall("get_weather", calls[0]);
    });

    for (const role of ["system", "developer"]) {
      chat(model, `${role} message`, async () => {
        checkChat(await create({ messages: [{ role, content: "You are a poet." }, user("Say hello.")] }));
      });
    }
  }

  chat(models.chat, "usual settings", async () => {
    const settings = { temperature: 0.3, top_p: 0.9, max_tokens: 400, seed: 7, stop: ["\n\n\n\n"], user: "somebody" };
    checkChat(await client.chat.completions.create({ model: models.chat, messages: [user("Say hello.")], ...settings }));
  });

  chat(models.chat, "two choices", async () => {
    const completion = await client.chat.completions.create({ model: models.chat, messages: [user("Say hello.")], n: 2 });
    assert.deepEqual(completion.choices.map((choice) => choice.index), [0, 1]);
    completion.choices.forEach((choice) => check.checkText(choice.message.content));
  });

  chat(models.chat, "log probabilities", async () => {
    const body = { model: models.chat, messages: [user("Say hello.")], logprobs: true, top_logprobs: 2 };
    const [choice] = (await client.chat.completions.create(body)).choices;
    assert.equal(choice.logprobs.content.map((token) => token.token).join(""), choice.message.content);
    assert.ok(choice.logprobs.content.every((token) => token.top_logprobs.length === 2), "not two alternatives each");
  });

  chat(models.reasoner, "effort and max_completion_tokens", async () => {
    const settings = { reasoning_effort: "low", max_completion_tokens: 2000, verbosity: "low" };
    checkChat(await client.chat.completions.create({ model: models.reasoner, messages: [user("Say hello.")], ...settings }));
  });

  chat(models.reasoner, "reasoning tokens counted", async () => {
    const body = { model: models.reasoner, messages: [user("Prove that 97 is prime.")], reasoning_effort: "high" };
    const { usage } = await client.chat.completions.create(body);
    check.checkCount(usage.completion_tokens_details.reasoning_tokens, "reasoning_tokens");
  });

  // Responses.

  const responses = (model, name, run) => on("responses", model === models.reasoner ? `reasoner: ${name}` : name, run);
  for (const model of [models.chat, models.reasoner]) {
    const create = (body) => client.responses.create({ model, ...body });

    responses(model, "plain text", async () => checkResponse(await create({ input: "Say hello." })));

    responses(model, "stream", async () => {
      const events = await collected(await create({ input: "Tell a story.", stream: true }));
      const texts = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
      const last = events.at(-1);
      assert.equal(last.type, "response.completed");
      check.checkChunks(texts, last.response.output.find((item) => item.type === "message").content[0].text);
      assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, index) => index));
    });

    responses(model, "stream helper", async () => {
      const stream = client.responses.stream({ model, input: "Tell a story." });
      const texts = [];
      stream.on("response.output_text.delta", ({ delta }) => texts.push(delta));
      const response = await stream.finalResponse();
      checkResponse(response);
      check.checkChunks(texts, response.output_text);
    });

    responses(model, "tool loop by hand", () => responsesLoop(client, { model }));

    responses(model, "tool loop by hand, store false", () => {
      const include = model === models.reasoner ? ["reasoning.encrypted_content"] : [];
      return responsesLoop(client, { model, store: false, include });
    });

    for (const stream of [false, true]) {
      responses(model, stream ? "tool loop, stream" : "tool loop", async () => {
        const calls = [];
        const tool = zodResponsesFunction({
          name: "get_weather",
          parameters: place,
          function: (args) => {
            calls.push(args);
            return answerWeather();
          },
        });
        const runner = new ResponsesToolRunner({ functions: [runnerFunction(tool)] });
        const response = await runner.run(client, { model, input: check.CALL_WEATHER }, { stream });
        check.checkWeatherCall("get_weather", calls[0]);
        assert.equal(calls.length, 1);
        checkResponse(response);
      });
    }

    responses(model, "tool loop by previous_response_id", async () => {
      const settings = { model, tools: responsesTools };
      const first = await client.responses.create({ ...settings, input: check.CALL_WEATHER });
      const call = first.output.find((item) => item.type === "function_call");
      check.checkWeatherCall(call?.name, JSON.parse(call?.arguments ?? "null"));
      const input = [{ type: "function_call_output", call_id: call.call_id, output: answerWeather() }];
      checkResponse(await client.responses.create({ ...settings, input, previous_response_id: first.id }));
    });

    responses(model, "structured output", async () => {
      const body = { model, input: "Describe Oslo.", text: { format: zodTextFormat(city, "city") } };
      check.checkCity((await client.responses.parse(body)).output_parsed);
    });

    responses(model, "structured output, stream", async () => {
      const stream = client.responses.stream({ model, input: "Describe Oslo.", text: { format: zodTextFormat(city, "city") } });
      const deltas = [];
      stream.on("response.output_text.delta", ({ delta }) => deltas.push(delta));
      const response = await stream.finalResponse();
      check.checkCity(response.output_parsed);
      check.checkChunks(deltas, response.output_text);
    });

    responses(model, "second turn", async () => {
      const input = [user("Say hello.")];
      const first = await create({ input });
      input.push(...first.output, user("And now goodbye."));
      checkResponse(await create({ input }));
    });

    responses(model, "second turn, plain strings", async () => {
      const input = [user("Say hello."), { role: "assistant", content: "Hello!" }, user("And now goodbye.")];
      checkResponse(await create({ input }));
    });

    responses(model, "second turn, previous_response_id", async () => {
      const first = await create({ input: "Say hello." });
      const second = await create({ input: "And now goodbye.", previous_response_id: first.id });
      checkResponse(second);
      assert.equal(second.previous_response_id, first.id);
    });

    responses(model, "second turn, store false", async () => {
      const settings = model === models.reasoner ? { store: false, include: ["reasoning.encrypted_content"] } : { store: false };
      const input = [user("Say hello.")];
      const first = await create({ ...settings, input });
      input.push(...first.output, user("And now goodbye."));
      checkResponse(await create({ ...settings, input }));
    });

    responses(model, "second turn after a tool loop", async () => {
      const { input, second } = await responsesLoop(client, { model });
      checkResponse(await create({ tools: responsesTools, input: [...input, ...second.output, user("Thank you.")] }));
    });

    responses(model, "image", async () => {
      const content = [{ type: "input_text", text: "Which colour?" }, { type: "input_image", image_url: IMAGE_URL }];
      checkResponse(await create({ input: [user(content)] }));
    });

    responses(model, "several text parts", async () => {
      const content = [{ type: "input_text", text: "Say hello." }, { type: "input_text", text: "Then say goodbye." }];
      checkResponse(await create({ input: [user(content)] }));
    });

    for (const role of ["system", "developer"]) {
      responses(model, `${role} message`, async () => {
        checkResponse(await create({ input: [{ role, content: "You are a poet." }, user("Say hello.")] }));
      });
    }

    responses(model, "instructions", async () => {
      checkResponse(await create({ instructions: "You are a poet.", input: "Say hello." }));
    });
  }

  responses(models.chat, "usual settings", async () => {
    const settings = { temperature: 0.3, top_p: 0.9, max_output_tokens: 400, metadata: { topic: "demo" }, truncation: "auto" };
    checkResponse(await client.responses.create({ model: models.chat, input: "Say hello.", ...settings }));
  });

  responses(models.reasoner, "summary option", async () => {
    const body = { model: models.reasoner, input: "Why is the sky blue?", reasoning: { effort: "low", summary: "auto" } };
    const response = await client.responses.create(body);
    checkResponse(response);
    assert.equal(response.reasoning.effort, "low");
    assert.notEqual(response.reasoning.summary, null, "the answer forgets the summary option");
  });

  responses(models.reasoner, "reasoning item and tokens", async () => {
    const reasoning = { effort: "high", summary: "detailed" };
    const response = await client.responses.create({ model: models.reasoner, input: "Prove that 97 is prime.", reasoning });
    check.checkCount(response.usage.output_tokens_details.reasoning_tokens, "reasoning_tokens");
    const item = response.output.find(({ type }) => type === "reasoning");
    check.checkText(item?.summary[0]?.text);
  });

  responses(models.reasoner, "encrypted reasoning goes back", async () => {
    const settings = { model: models.reasoner, store: false, include: ["reasoning.encrypted_content"], reasoning: { effort: "high" } };
    const input = [user("Prove that 97 is prime.")];
    const first = await client.responses.create({ ...settings, input });
    check.checkText(first.output.find(({ type }) => type === "reasoning")?.encrypted_content);
    checkResponse(await client.responses.create({ ...settings, input: [...input, ...first.output, user("And 91?")] }));
  });

  // Embeddings. Without `encoding_format` the library asks for base64 and decodes it.

  const embed = (body) => client.embeddings.create({ model: models.emb, ...body });
  for (const encoding_format of [undefined, "float"]) {
    const name = (what) => (encoding_format ? `${what}, ${encoding_format}` : what);

    on("embeddings", name("one"), async () => {
      const answer = await embed({ input: "hello", encoding_format });
      check.checkVectors(answer.data.map((item) => item.embedding), 1);
      check.checkCount(answer.usage.total_tokens, "total_tokens");
    });

    on("embeddings", name("batch"), async () => {
      const answer = await embed({ input: ["sun", "rain", "snow"], encoding_format });
      check.checkVectors(answer.data.map((item) => item.embedding), 3);
      assert.deepEqual(answer.data.map((item) => item.index), [0, 1, 2]);
    });

    on("embeddings", name("batch, dimensions"), async () => {
      const answer = await embed({ input: ["sun", "rain"], dimensions: 256, encoding_format });
      check.checkVectors(answer.data.map((item) => item.embedding), 2, 256);
    });
  }

  on("embeddings", "tokens", async () => {
    const answer = await embed({ input: [[15339], [1917, 0]] });
    check.checkVectors(answer.data.map((item) => item.embedding), 2);
  });
}

// AzureOpenAI with the deployment in the constructor, as Azure's portal shows it.
const deployed = { chat: dated(check.MODELS.azure.chat), emb: dated(check.MODELS.azure.emb) };

step("azure", "chat", "deployment in the constructor", async () => {
  checkChat(await deployed.chat.chat.completions.create({ model: "", messages: [{ role: "user", content: "Say hello." }] }));
});

step("azure", "embeddings", "deployment in the constructor", async () => {
  const answer = await deployed.emb.embeddings.create({ model: "", input: "hello" });
  check.checkVectors(answer.data.map((item) => item.embedding), 1);
});

await check.runSteps("openai");
