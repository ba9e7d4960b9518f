using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Contract;

/// <summary>An operation of the document at a path such as <c>/user/{name}</c>.</summary>
internal sealed record Operation(string Method, string Path, JsonNode Json)
{
    public override string ToString() => Json["operationId"]!.GetValue<string>();
}

/// <summary>The committed OpenAPI document. Finds what does not fit it, and says nothing (null) of what does.</summary>
internal sealed class OpenApiDescription
{
    // Headers of HTTP itself, and those that the document's own description names.
    private static readonly string[] Common =
        ["Connection", "Content-Length", "Content-Type", "Date", "Transfer-Encoding", "Via", "X-Request-Id", "X-Content-Type-Options", "Cache-Control", "Expires", "Pragma"];

    private readonly JsonNode _document = JsonNode.Parse(File.ReadAllText(FileName))!;

    public static string FileName => Manifest.RepositoryFile("docs/openapi.json");

    public IEnumerable<Operation> Operations =>
        from path in _document["paths"]!.AsObject()
        from operation in path.Value!.AsObject()
        select new Operation(operation.Key.ToUpperInvariant(), path.Key, operation.Value!);

    public IEnumerable<JsonNode> Parameters(Operation operation) => (operation.Json["parameters"]?.AsArray() ?? []).Select(p => Resolve(p!));

    public JsonNode? BodySchema(Operation operation) => operation.Json["requestBody"]?["content"]!["application/json"]!["schema"] is { } schema ? Resolve(schema) : null;

    public async Task<string?> FindFaultAsync(Operation operation, HttpResponseMessage answer)
    {
        var status = $"{(int)answer.StatusCode}";
        if (operation.Json["responses"]![status] is not { } response)
        {
            return $"status {status}";
        }

        var documented = response["headers"]?.AsObject() ?? [];
        var present = answer.Headers.Concat(answer.Content.Headers).Select(h => h.Key).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var unknown = present.Except(Common, StringComparer.OrdinalIgnoreCase).Except(documented.Select(h => h.Key), StringComparer.OrdinalIgnoreCase);
        var missing = documented.Where(h => Resolve(h.Value!)["required"]?.GetValue<bool>() == true).Select(h => h.Key).Append("X-Request-Id").Except(present, StringComparer.OrdinalIgnoreCase);
        if (unknown.Concat(missing).FirstOrDefault() is { } header)
        {
            return $"header {header} of {status}";
        }

        var body = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return response["content"] is not { } content ? (body.Length == 0 ? null : $"a body with {status}")
            : content[answer.Content.Headers.ContentType?.MediaType ?? ""] is not { } media ? $"content type {answer.Content.Headers.ContentType} of {status}"
            : FindFault(media["schema"]!, JsonNode.Parse(body), status);
    }

    /// <summary>JSON Schema, as far as the document uses it. Members that it does not name are faults.</summary>
    public string? FindFault(JsonNode reference, JsonNode? value, string at = "$")
    {
        var schema = Resolve(reference);
        string[] types = schema["type"] is JsonArray several ? [.. several.Select(t => t!.GetValue<string>())] : [schema["type"]!.GetValue<string>()];
        var type = value?.GetValueKind() switch
        {
            null => "null",
            JsonValueKind.Object => "object",
            JsonValueKind.Array => "array",
            JsonValueKind.String => "string",
            JsonValueKind.Number => "integer",
            _ => "boolean",
        };
        return !types.Contains(type) ? $"{at} is {type}"
            : schema["x-extensible-enum"] is JsonArray known && !known.Any(k => JsonNode.DeepEquals(k, value)) ? $"{at} is {value}"
            : value switch
            {
                JsonObject members => FindFault(schema, members, at),
                JsonArray items => items.Select((item, i) => FindFault(schema["items"]!, item, $"{at}[{i}]")).FirstOrDefault(f => f is not null),
                JsonValue text when type == "string" => FindFault(schema, text.GetValue<string>(), at),
                JsonValue number when type == "integer" && number.GetValue<long>() is var n
                    && (n < schema["minimum"]?.GetValue<long>() || n > schema["maximum"]?.GetValue<long>()) => $"{at} is {n}",
                _ => null,
            };
    }

    private static string? FindFault(JsonNode schema, string text, string at)
    {
        var length = text.EnumerateRunes().Count();
        return length < schema["minLength"]?.GetValue<int>() || length > schema["maxLength"]?.GetValue<int>() ? $"{at} has {length} characters"
            : schema["pattern"] is { } pattern && Regex.Match(text, pattern.GetValue<string>()).Length < text.Length ? $"{at} is {text}"
            : null;
    }

    private string? FindFault(JsonNode schema, JsonObject members, string at)
    {
        var properties = schema["properties"]?.AsObject() ?? [];
        return (schema["required"]?.AsArray() ?? []).Select(r => r!.GetValue<string>()).FirstOrDefault(r => !members.ContainsKey(r)) is { } missing ? $"{at}.{missing} is missing"
            : members.Select(m => (properties[m.Key] ?? schema["additionalProperties"]) is { } property ? FindFault(property, m.Value, $"{at}.{m.Key}") : $"{at}.{m.Key} is unknown")
                .FirstOrDefault(f => f is not null);
    }

    private JsonNode Resolve(JsonNode node) => node["$ref"]?.GetValue<string>() is { } path
        ? path.Split('/').Skip(1).Aggregate(_document, (n, part) => n[part]!)
        : node;
}
