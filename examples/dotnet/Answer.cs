// Start `dress-rehearsal model`, then, with .NET 10: dotnet run Answer.cs
// Our tests do not run this example.
#:package OpenAI@2.8.0

using System.ClientModel;
using OpenAI;
using OpenAI.Chat;

var model = Environment.GetEnvironmentVariable("MODEL_URL") ?? "http://127.0.0.1:4281";
var options = new OpenAIClientOptions { Endpoint = new Uri($"{model}/v1") };
var client = new ChatClient("gpt-4o", new ApiKeyCredential("any"), options);

// A recording answers this, event by event, with the recorded timing.
await foreach (var update in client.CompleteChatStreamingAsync("Hello!"))
{
    // Azure's first update and the one with the usage have no content.
    foreach (var part in update.ContentUpdate) Console.Write(part.Text);
}
Console.WriteLine();
