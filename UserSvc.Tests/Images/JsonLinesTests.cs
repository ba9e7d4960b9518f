using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using UserSvc.ServiceDefaults;

namespace UserSvc.Tests.Images;

public sealed partial class JsonLinesTests
{
    [Theory]
    [InlineData(LogLevel.Trace, "DEBUG")]
    [InlineData(LogLevel.Debug, "DEBUG")]
    [InlineData(LogLevel.Information, "INFO")]
    [InlineData(LogLevel.Warning, "WARNING")]
    [InlineData(LogLevel.Error, "ERROR")]
    [InlineData(LogLevel.Critical, "CRITICAL")]
    [InlineData(LogLevel.None, "DEFAULT")]
    public void Severity_OfALevel_IsGooglesWord(LogLevel level, string severity)
    {
        var line = Write(level, default, "Zoë's line", null);

        Assert.Equal($$"""{"timestamp":"TIME","severity":"{{severity}}","message":"Zoë's line","category":"A.Category"}""" + Environment.NewLine, line);
    }

    [Fact]
    public void Line_OfAMessageWithEverything_IsOneLineAndNumbersStayNumbers()
    {
        var line = Write(
            LogLevel.Error, new(7, "SomethingFailed"), "two\r\nlines", new InvalidOperationException("also\ntwo"),
            ("message", "its own"), ("Count", 3), ("Bytes", 5_000_000_000), ("Ready", true), ("Missing", null), ("Ratio", 0.5), ("Period", TimeSpan.FromSeconds(1.5)),
            ("Lonely", "\ud800"), ("Holder", new Holder("a secret")), ("{OriginalFormat}", "{message} {Count}"));

        Assert.Equal(
            """
            {"timestamp":"TIME","severity":"ERROR","message":"two\r\nlines","category":"A.Category","event":{"id":7,"name":"SomethingFailed"},
            "attributes":{"message":"its own","Count":3,"Bytes":5000000000,"Ready":true,"Missing":null,"Ratio":"0.5","Period":"00:00:01.5000000",
            "Lonely":"\uFFFD","Holder":"a holder"},"exception":"System.InvalidOperationException: also\ntwo"}
            """.ReplaceLineEndings("") + Environment.NewLine,
            line);
    }

    private static string Write(LogLevel level, EventId id, string message, Exception? exception, params (string Name, object? Value)[] values)
    {
        var state = values.Select(value => KeyValuePair.Create(value.Name, value.Value)).ToList();
        using var written = new StringWriter();
        new JsonLines().Write(new LogEntry<List<KeyValuePair<string, object?>>>(level, "A.Category", id, state, exception, (_, _) => message), null, written);
        return Time().Replace(written.ToString(), "\"TIME\"");
    }

    // RFC 3339, in UTC.
    [GeneratedRegex(@"""\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z""")]
    private static partial Regex Time();

    private sealed record Holder(string Secret)
    {
        public override string ToString() => "a holder";
    }
}
