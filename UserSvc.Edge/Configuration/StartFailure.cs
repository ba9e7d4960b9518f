using System.Security.Cryptography;
using Microsoft.Extensions.Options;

namespace UserSvc.Edge.Configuration;

/// <summary>The configuration cannot be used. The message names every wrong setting, one per line.</summary>
internal sealed class InvalidConfigurationException(string message, Exception? inner = null) : Exception(message, inner)
{
    public InvalidConfigurationException(IEnumerable<string> errors)
        : this(string.Join(Environment.NewLine, errors))
    {
    }

    /// <summary>A file that is not valid JSON: its path and the position of the error.</summary>
    public InvalidConfigurationException(InvalidDataException broken)
        : this($"{broken.Message} {broken.GetBaseException().Message}", broken)
    {
    }
}

/// <summary>Start-up errors an operator can fix, as one line. Everything else keeps its stack trace.</summary>
internal static class StartFailure
{
    /// <returns>Null for everything else.</returns>
    public static string? Explain(Exception failure) => failure switch
    {
        InvalidConfigurationException => failure.Message,
        OptionsValidationException invalid => string.Join(Environment.NewLine, invalid.Failures),
        AggregateException { InnerExceptions: var several } when several.All(e => e is OptionsValidationException) => string.Join(Environment.NewLine, several.Select(Explain)),
        // The host reads the files before any code of ours runs.
        InvalidDataException broken => new InvalidConfigurationException(broken).Message,
        DirectoryNotFoundException missing => $"The content root is not a folder: {missing.Message}",
        // A port is already in use.
        IOException => failure.Message,
        // From Kestrel: an invalid endpoint address, https without a certificate, a key that does not match.
        FormatException or InvalidOperationException or CryptographicException => failure.Message,
        _ => null,
    };
}
