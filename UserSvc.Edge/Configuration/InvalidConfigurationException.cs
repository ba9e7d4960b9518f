namespace UserSvc.Edge.Configuration;

/// <summary>The configuration cannot be used. The message names each setting at fault, one a line, for whoever wrote it.</summary>
internal sealed class InvalidConfigurationException(string message, Exception? inner = null) : Exception(message, inner)
{
    public InvalidConfigurationException(IEnumerable<string> errors)
        : this(string.Join(Environment.NewLine, errors))
    {
    }

    /// <summary>A file that is no JSON: its path, and the line and place where reading ended.</summary>
    public InvalidConfigurationException(InvalidDataException broken)
        : this($"{broken.Message} {broken.GetBaseException().Message}", broken)
    {
    }
}
