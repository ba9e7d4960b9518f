using System.Collections;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>values.yaml with the values' descriptions as comments, and values.schema.json, by which Helm refuses what it does not know.</summary>
internal static class ChartValuesFiles
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static void Write(string chart)
    {
        var yaml = new StringBuilder();
        AppendMembers(yaml, new ChartValues(), 0);
        File.WriteAllText(Path.Combine(chart, "values.yaml"), yaml.ToString());
        File.WriteAllText(Path.Combine(chart, "values.schema.json"), Schema().ToJsonString(Json).ReplaceLineEndings("\n") + "\n");
    }

    private static void AppendMembers(StringBuilder yaml, object values, int depth)
    {
        var margin = new string(' ', 2 * depth);
        foreach (var member in values.GetType().GetProperties())
        {
            if (depth == 0 && yaml.Length > 0)
            {
                yaml.Append('\n');
            }

            if (member.GetCustomAttribute<DescriptionAttribute>() is { } description)
            {
                yaml.Append(CultureInfo.InvariantCulture, $"{margin}# {description.Description}\n");
            }

            yaml.Append(CultureInfo.InvariantCulture, $"{margin}{JsonNamingPolicy.CamelCase.ConvertName(member.Name)}:");
            switch (member.GetValue(values)!)
            {
                case (string or bool or int) and var scalar:
                    yaml.Append(CultureInfo.InvariantCulture, $" {JsonSerializer.Serialize(scalar, Json)}\n");
                    break;
                case IDictionary:
                    yaml.Append(" {}\n");
                    break;
                case var group:
                    yaml.Append('\n');
                    AppendMembers(yaml, group, depth + 1);
                    break;
            }
        }
    }

    private static JsonObject Schema()
    {
        var schema = Json.GetJsonSchemaAsNode(typeof(ChartValues), new() { TransformSchemaNode = Transform }).AsObject();
        schema.Insert(0, "$schema", "https://json-schema.org/draft-07/schema#");
        // Helm adds it by itself.
        schema["properties"]!["global"] = new JsonObject();
        return schema;
    }

    private static JsonNode Transform(JsonSchemaExporterContext context, JsonNode node)
    {
        if (node is not JsonObject schema)
        {
            return node;
        }

        if (schema["type"] is JsonArray types)
        {
            schema["type"] = types[0]!.DeepClone();
        }

        var attributes = context.PropertyInfo?.AttributeProvider ?? context.TypeInfo.Type;
        if (Attribute<DescriptionAttribute>(attributes) is { } description)
        {
            schema["description"] = description.Description;
        }

        if (Attribute<RangeAttribute>(attributes) is { } range)
        {
            (schema["minimum"], schema["maximum"]) = ((int)range.Minimum, (int)range.Maximum);
        }

        if (Attribute<AllowedValuesAttribute>(attributes) is { } allowed)
        {
            schema["enum"] = new JsonArray([.. allowed.Values.Select(value => JsonValue.Create((string)value!))]);
        }

        return schema;
    }

    private static T? Attribute<T>(ICustomAttributeProvider provider)
        where T : Attribute => (T?)provider.GetCustomAttributes(typeof(T), false).FirstOrDefault();
}
