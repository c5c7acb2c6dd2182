// Reads workflows and evaluates expressions with GitHub's own packages: a request as JSON on each line, an answer on each.
// Its argument is the folder that tools/azure_tools.py has installed them in.
import { register } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// The package imports its schema without the attribute that Node asks for; its own users bundle it.
const load = `export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context)`;
register(`data:text/javascript,${encodeURIComponent(load)}`);
const from = (name) => import(pathToFileURL(`${process.argv[2]}/node_modules/@actions/${name}.js`));
const parser = await from("workflow-parser/dist/index");
const { data, Evaluator, Lexer, Parser } = await from("expressions/dist/index");
const { truthy } = await from("expressions/dist/result");

/** A workflow as plain values, an expression as {expression}; each condition with the `success()` that GitHub adds. */
async function workflow(content) {
  const { context, value } = parser.parseWorkflow({ name: "workflow", content }, new parser.NoOperationTraceWriter());
  const { events, jobs, errors = [] } = await parser.convertWorkflowTemplate(context, value);
  const all = [...context.errors.getErrors().map(String), ...errors.map((error) => error.Message)];
  const read = plain(value);
  for (const job of jobs) {
    const known = read.jobs[job.id.value];
    known.if = job.if.expression;
    job.steps.forEach((step, at) => { known.steps[at].if = step.if.expression; });
  }
  return { ...read, on: events, errors: all };
}

function plain(token) {
  if (parser.isMapping(token)) return Object.fromEntries([...token].map(({ key, value }) => [key.toString(), plain(value)]));
  if (parser.isSequence(token)) return [...token].map(plain);
  return parser.isBasicExpression(token) ? { expression: token.expression } : (token.value ?? null);
}

const text = (value) => value.coerceString();
/** What a runner adds to GitHub's functions, and what Azure Pipelines has beside those that both have. */
const functions = (status) => [
  ...["success", "failure", "cancelled", "always"].map((name) => [name, 0, () => name === "always" || name === status]),
  ["ne", 2, (one, other) => text(one).toLowerCase() !== text(other).toLowerCase()],
  ["replace", 3, (whole, old, its) => text(whole).replaceAll(text(old), text(its))],
].map(([name, count, call]) => ({ name, minArgs: count, maxArgs: count, call: (...given) => data.reviver("", call(...given)) }));

function evaluate(expression, contexts, status) {
  const known = functions(status);
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), known).parse();
  const evaluator = new Evaluator(tree, JSON.parse(JSON.stringify(contexts), data.reviver), new Map(known.map((each) => [each.name, each])));
  const value = evaluator.evaluate();
  return { truth: truthy(value), text: text(value) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { content, expression, contexts, status } = JSON.parse(line);
  const answer = content === undefined ? evaluate(expression, contexts, status) : await workflow(content);
  console.log(JSON.stringify(answer));
}
