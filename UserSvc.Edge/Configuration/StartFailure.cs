using System.Security.Cryptography;
using Microsoft.Extensions.Options;

namespace UserSvc.Edge.Configuration;

/// <summary>
/// What the person who starts the edge can do something about, in words. Anything else keeps its stack trace, as a mistake of the edge's own
/// does that is no InvalidOperationException: Kestrel reports its settings by those.
/// </summary>
internal static class StartFailure
{
    public static string? Explain(Exception failure) => failure switch
    {
        InvalidConfigurationException => failure.Message,
        OptionsValidationException invalid => string.Join(Environment.NewLine, invalid.Failures),
        AggregateException { InnerExceptions: var several } when several.All(e => e is OptionsValidationException) => string.Join(Environment.NewLine, several.Select(Explain)),
        // Files are first read before anything of this project runs.
        InvalidDataException broken => new InvalidConfigurationException(broken).Message,
        DirectoryNotFoundException missing => $"The content root is not a folder: {missing.Message}",
        // A port that is taken.
        IOException => failure.Message,
        // Kestrel's, of an endpoint: an address that is none, https without a certificate, a key that does not fit.
        FormatException or InvalidOperationException or CryptographicException => failure.Message,
        _ => null,
    };
}
