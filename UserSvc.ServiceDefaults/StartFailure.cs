using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;

namespace UserSvc.ServiceDefaults;

/// <summary>The service cannot run as it is configured. The message says what an operator must change, one line for each mistake.</summary>
public sealed class InvalidConfigurationException(string message, Exception? inner = null) : Exception(message, inner)
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
public static class StartFailure
{
    // The assemblies that read settings. From any other, these exceptions are a bug.
    private static readonly string[] Readers =
        ["Microsoft.AspNetCore.Http", "Microsoft.AspNetCore.Server.Kestrel.Core", "Microsoft.Extensions.Configuration.Binder", "Microsoft.Extensions.Configuration.CommandLine"];

    /// <returns>Null for everything else.</returns>
    public static string? Explain(Exception failure) => failure switch
    {
        InvalidConfigurationException => failure.Message,
        OptionsValidationException invalid => string.Join(Environment.NewLine, invalid.Failures),
        AggregateException { InnerExceptions: var several } when several.All(e => e is OptionsValidationException) => string.Join(Environment.NewLine, several.Select(Explain)),
        // The host reads the files before any code of ours runs.
        InvalidDataException broken => new InvalidConfigurationException(broken).Message,
        DirectoryNotFoundException missing => $"The content root is not a folder: {missing.Message}",
        IOException { InnerException: AddressInUseException } => $"{failure.Message} Stop the program that listens there, or configure another port.",
        IOException => failure.Message,
        SocketException => $"Cannot listen on a configured address: {failure.Message}. Configure an address of this machine and a port that this user may open.",
        // A certificate or a key that cannot be used.
        CryptographicException => failure.Message,
        // An invalid URL, https without a certificate, a value of the wrong type.
        FormatException or InvalidOperationException when Readers.Contains(failure.Source) => failure.Message,
        _ => null,
    };
}
