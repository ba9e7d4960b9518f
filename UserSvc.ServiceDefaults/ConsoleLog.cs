using System.Diagnostics;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace UserSvc.ServiceDefaults;

internal static class ConsoleLog
{
    /// <summary>Text for people; in a container, JSON for a log collector.</summary>
    public static void AddConsoleLog(this IHostApplicationBuilder builder)
    {
        builder.Logging.AddConsoleFormatter<JsonLines, ConsoleFormatterOptions>();
        builder.Logging.AddConsole(console =>
        {
            // A full pipe must not block a thread that serves sockets.
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
            // Microsoft's base images set this variable. In a dev container a developer reads the log, as text.
            if (!builder.Environment.IsDevelopment() && bool.TryParse(builder.Configuration["DOTNET_RUNNING_IN_CONTAINER"], out var container) && container)
            {
                console.FormatterName = JsonLines.FormatterName;
            }
        });
    }
}

/// <summary>Writes a log entry as one line of JSON that Cloud Logging and Loki can filter by its fields.</summary>
internal sealed class JsonLines() : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "json-lines";

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var span = Activity.Current;
        var line = new LogLine(
            DateTime.UtcNow,
            Severity(logEntry.LogLevel),
            logEntry.Formatter(logEntry.State, logEntry.Exception),
            logEntry.Category,
            logEntry.EventId is { Id: 0, Name: null } ? null : logEntry.EventId,
            span?.TraceId.ToHexString(),
            span?.SpanId.ToHexString(),
            Attributes(logEntry.State as IEnumerable<KeyValuePair<string, object?>> ?? [], scopeProvider),
            logEntry.Exception?.ToString());
        textWriter.WriteLine(JsonSerializer.Serialize(line, LogLineJson.Readable.LogLine));
    }

    // The values of Google's LogSeverity.
    private static string Severity(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "DEBUG",
        LogLevel.Information => "INFO",
        LogLevel.Warning => "WARNING",
        LogLevel.Error => "ERROR",
        LogLevel.Critical => "CRITICAL",
        _ => "DEFAULT",
    };

    private static Dictionary<string, object?>? Attributes(IEnumerable<KeyValuePair<string, object?>> state, IExternalScopeProvider? scopes)
    {
        var attributes = new Dictionary<string, object?>();
        // Only the services' own scopes are arrays. ASP.NET's hold the request's path, and so a user's name.
        scopes?.ForEachScope(static (scope, values) =>
        {
            foreach (var (name, value) in scope as KeyValuePair<string, object?>[] ?? [])
            {
                values[name] = value;
            }
        }, attributes);
        foreach (var (name, value) in state)
        {
            // The message template is in the state, too.
            if (name != "{OriginalFormat}")
            {
                // Objects as text, never by their properties: they may hold more than the message shows.
                attributes[name] = value is null or bool or int or long ? value : Convert.ToString(value, CultureInfo.InvariantCulture);
            }
        }

        return attributes.Count > 0 ? attributes : null;
    }
}

// Attributes are the named values of the message template. They are nested because one may be called "message".
internal sealed record LogLine(
    DateTime Timestamp, string Severity, string Message, string Category, EventId? Event, string? TraceId, string? SpanId,
    Dictionary<string, object?>? Attributes, string? Exception);

[JsonSerializable(typeof(LogLine))]
[JsonSerializable(typeof(bool))]
[JsonSerializable(typeof(int))]
[JsonSerializable(typeof(long))]
internal sealed partial class LogLineJson : JsonSerializerContext
{
    /// <summary>Leaves apostrophes and letters unescaped; only JSON inside HTML needs those escapes.</summary>
    public static LogLineJson Readable { get; } = new(new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });
}
