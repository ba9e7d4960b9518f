using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;

namespace UserSvc.Tests.Contract;

/// <summary>A request. It is valid if the document allows it; its credentials may be wrong nevertheless.</summary>
internal sealed record ContractRequest(
    Operation Operation, string Target, IReadOnlyList<(string Name, string Value)> Headers, string? ContentType, string? Body, bool IsValid);

/// <summary>Makes requests from the document. Most are valid; the others break one of its rules, often by a single character.</summary>
internal sealed class ContractRequests(OpenApiDescription description)
{
    // Few of each, so that requests meet users that earlier ones created.
    private static readonly string[] Names = ["alice", "bob", "Zoë"];
    private static readonly string[] Passwords = ["a long password", "another password"];

    private static readonly string[] Credentials =
    [
        .. from name in Names
           from password in Passwords
           select UserRequests.Basic(name, password).ToString(),
        $"Bearer {ApiInstance.AdminKey}", $"Bearer {ApiInstance.AdminKey}", "Bearer another-key", "Basic ?", "Negotiate",
    ];

    public Gen<ContractRequest> All => Gen.OneOf<ContractRequest>([.. description.Operations.Select(For)]);

    private Gen<ContractRequest> For(Operation operation) =>
        Gen.Select(
            Collect(description.Parameters(operation).Select(Parameter)),
            Rarely(null, Gen.OneOf<string>(Credentials), 2),
            description.BodySchema(operation) is { } schema ? Body(schema) : Gen.Const<(string? Type, string? Text, bool IsValid)>((null, null, true)),
            (parameters, authorization, body) => new ContractRequest(
                operation,
                Target(operation.Path, [.. parameters.Where(p => p.Text is not null)]),
                [
                    .. parameters.Where(p => In(p.Json) == "header" && p.Text is not null).Select(p => (Name(p.Json), p.Text!)),
                    .. authorization is null ? [] : new[] { ("Authorization", authorization) },
                ],
                body.Type, body.Text, body.IsValid && parameters.All(p => p.IsValid)));

    private static string Target(string path, (JsonNode Json, string? Text, bool IsValid)[] parameters)
    {
        string Escaped(JsonNode json, string? text) => In(json) == "path" ? Uri.EscapeDataString(text!) : $"{Name(json)}={Uri.EscapeDataString(text!)}";
        var query = string.Join('&', parameters.Where(p => In(p.Json) == "query").Select(p => Escaped(p.Json, p.Text)));
        return parameters.Where(p => In(p.Json) == "path").Aggregate(path, (t, p) => t.Replace($"{{{Name(p.Json)}}}", Escaped(p.Json, p.Text), StringComparison.Ordinal))
            + (query.Length == 0 ? "" : $"?{query}");
    }

    private Gen<(JsonNode Json, string? Text, bool IsValid)> Parameter(JsonNode json)
    {
        var schema = json["schema"]!;
        var values = In(json) == "header" ? Gen.OneOf<string>("*", "W/\"1\"", "\"1\"", "1", "W/\"1\", \"2\"").Select((string? Text, bool IsValid) (tags) => (tags, true))
            : schema["type"]!.GetValue<string>() == "integer"
                ? Gen.Int[-1, 102].Select((string? Text, bool IsValid) (n) => (n.ToString(CultureInfo.InvariantCulture), description.FindFault(schema, (long)n) is null))
            // These make another path, and NUL one that Kestrel refuses itself.
            : Text(schema).Where(t => t is not ("" or "." or "..") && !t.Contains('\0')).Select((string? Text, bool IsValid) (t) => (t, description.FindFault(schema, t) is null));
        Gen<(string? Text, bool IsValid)> all = json["required"]?.GetValue<bool>() == true ? values : Rarely((null, true), values, 2);
        return all.Select((JsonNode Json, string? Text, bool IsValid) (v) => (json, v.Text, v.IsValid));
    }

    private Gen<(string? Type, string? Text, bool IsValid)> Body(JsonNode schema)
    {
        var members = Collect(schema["properties"]!.AsObject().Select(p => Rarely(null, Text(p.Value!).Select(JsonNode? (t) => t), 20).Select(v => KeyValuePair.Create(p.Key, v))));
        return Gen.Select(members, Gen.Int[0, 40], (all, kind) =>
        {
            var first = all[0].Key;
            var body = new JsonObject(all);
            switch (kind)
            {
                case 0: body.Remove(first); break;
                case 1: body[first] = 1; break;
                case 2: body[first] = new JsonArray("text"); break;
            }

            var isValid = description.FindFault(schema, body) is null;
            if (kind == 3)
            {
                // Unknown members are ignored.
                body["unknown"] = new JsonObject { ["deep"] = new JsonArray(1, null) };
            }

            var text = body.ToJsonString();
            return kind switch
            {
                4 => ("application/json", text[..^1], false),
                5 => ("application/json", $"[{text}]", false),
                6 => ("application/json", $"{{\"{first}\":\"\",{text[1..]}", false),
                7 => ("application/json", "", false),
                8 => ("text/plain", text, false),
                9 => ("application/json; charset=utf-16", text, false),
                10 => ("application/json; charset=\"UTF-8\"", text, isValid),
                11 => ("application/json", new string(' ', 70_000) + text, false),
                _ => ((string?)"application/json", (string?)text, isValid),
            };
        });
    }

    /// <summary>A known text, or any other of up to one character more than allowed.</summary>
    private Gen<string> Text(JsonNode schema)
    {
        var max = schema["maxLength"]!.GetValue<int>();
        var length = Gen.OneOf<int>(Gen.Int[0, 20], Gen.Int[max - 2, max + 1]);
        Gen<string> From(string characters) => Gen.Char[characters].Array[length].Select(c => new string(c));
        var known = Gen.OneOf<string>([.. Names.Concat(Passwords).Where(t => description.FindFault(schema, t) is null)]);
        return Gen.Frequency<string>((6, known), (2, From("abcXYZ019")), (1, From("abcXYZ019._@+-abcXYZ019._@+-äé漢\u0483 %/\\\"'<{:;\n\u007f\u200b\u202e\0\ufffe")));
    }

    private static Gen<T[]> Collect<T>(IEnumerable<Gen<T>> gens) => gens.Aggregate(Gen.Const<T[]>([]), (all, one) => Gen.Select(all, one, (a, o) => (T[])[.. a, o]));

    /// <summary>The rare value once in so many times.</summary>
    private static Gen<T?> Rarely<T>(T? rare, Gen<T> gen, int times) => Gen.Frequency<T?>((1, Gen.Const(rare)), (times - 1, gen!));

    private static string Name(JsonNode parameter) => parameter["name"]!.GetValue<string>();

    private static string In(JsonNode parameter) => parameter["in"]!.GetValue<string>();
}
